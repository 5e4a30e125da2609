"""What is counted, and what is logged."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cirray.search import SearchEngine
from cirray.service import Backend, Gallery, LocalShard, create_api
from cirray.service.fanout import ShardFaultError
from cirray.service.meters import METRICS, RayMeters
from tests.asgi_client import Api

DASHBOARD = Path(__file__).resolve().parents[3] / "infra" / "grafana" / "search.json"
OK: dict[str, Any] = {"reference": {"id": "css_test_000000"}, "text": "make the zyzzyva circle red"}


class Recorded:
    """Measurements that a test can look at; each must be one of the declared metrics with just its tags."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float, dict[str, str]]] = []

    def record(self, name: str, value: float = 1.0, **tags: str) -> None:
        assert set(tags) == set(METRICS[name].tags), name
        self.seen.append((name, value, tags))

    def total(self, name: str) -> Counter[tuple[str, ...]]:
        counts: Counter[tuple[str, ...]] = Counter()
        for seen, value, tags in self.seen:
            if seen == name:
                counts[tuple(tags[tag] for tag in METRICS[name].tags)] += int(value)
        return counts


class Lost:
    async def ask(self, *_: object, **__: object) -> Any:
        raise ShardFaultError("unavailable")

    async def probe(self, version: str) -> None:
        raise ShardFaultError("unavailable")


@pytest.fixture
def meters() -> Recorded:
    return Recorded()


@pytest.fixture
def watched(engine: SearchEngine, gallery: Gallery, meters: Recorded) -> Api:
    return Api(create_api(Backend(engine, gallery, [LocalShard(0, engine.shards[0]), Lost()], meters=meters)))


def test_what_is_measured_of_requests(watched: Api, meters: Recorded, gallery: Gallery) -> None:
    for path in ("/v1/items/css_test_000000", "/v1/items/css_test_000001", "/nothing", "/else"):
        watched.get(path)
    watched.search(**OK)
    watched.search(text="x")
    assert meters.total("cirray_requests_total") == {
        ("/v1/items/{item_id:path}", "200"): 2,
        ("none", "404"): 2,
        ("/v1/search", "200"): 1,
        ("/v1/search", "422"): 1,
    }
    assert meters.total("cirray_index_items") == {
        ("tiny", watched.get("/v1/indexes").json()["indexes"][0]["version"]): len(gallery)
    }
    assert meters.total("cirray_degraded_total") == {(): 1}
    assert meters.total("cirray_shard_failures_total") == {("1", "unavailable"): 1}
    assert meters.total("cirray_unknown_words_total")[()] >= 1
    stages = [tags["stage"] for name, _, tags in meters.seen if name == "cirray_stage_ms"]
    assert stages == ["decode", "compose", "search", "merge", "total"]
    depths = [value for name, value, _ in meters.seen if name == "cirray_queue_depth"]
    assert (max(depths), depths[-1]) == (1, 0)


def test_queries_of_a_batch_are_composed_together(watched: Api, meters: Recorded) -> None:
    watched.request("POST", "/v1/search/batch", json={"searches": [OK] * 12})
    sizes = [value for name, value, _ in meters.seen if name == "cirray_batch_size"]
    assert sum(sizes) == 12
    assert len(sizes) < 12
    assert max(sizes) <= 16


def test_a_batch_of_one_is_composed_as_a_search_by_itself(engine: SearchEngine, gallery: Gallery) -> None:
    meters = Recorded()
    shards = [LocalShard(number, shard) for number, shard in enumerate(engine.shards)]
    api = Api(create_api(Backend(engine, gallery, shards, max_batch=1, meters=meters)))
    items = api.request("POST", "/v1/search/batch", json={"searches": [OK] * 6}).json()["items"]
    assert [value for name, value, _ in meters.seen if name == "cirray_batch_size"] == [1] * 6
    alone = api.search(**OK).json()["hits"]
    assert all(item["result"]["hits"] == alone for item in items)


def test_explanations_and_verdicts_are_measured(watched: Api, meters: Recorded) -> None:
    watched.request("POST", "/v1/explain", json={**OK, "item": "css_test_000001"})
    assert len([1 for name, _, _ in meters.seen if name == "cirray_explain_ms"]) == 1


def test_there_is_a_line_for_each_request_and_it_tells_no_secrets(
    watched: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ray.serve.cirray")
    headers = {"x-request-id": "mine-9", "authorization": "Bearer secret-secret-secret"}
    watched.request("POST", "/v1/search", json=OK, headers=headers)
    watched.get("/livez")
    watched.get("/nothing?text=hidden")
    searched, lost = [record for record in caplog.records if record.name == "ray.serve.cirray"]
    fields = vars(searched)
    assert (fields["request_id"], fields["method"], fields["route"]) == ("mine-9", "POST", "/v1/search")
    assert (fields["code"], fields["degraded"], fields["caller"]) == (200, True, "127.0.0.1")
    assert fields["ms"] > 0
    assert (vars(lost)["code"], vars(lost)["degraded"], vars(lost)["path"]) == (404, False, "/nothing")
    told = json.dumps([vars(searched), vars(lost)], default=str)
    for secret in ("zyzzyva", "secret-secret", "hidden"):
        assert secret not in told


def test_every_metric_is_one_that_ray_takes_and_there_are_few() -> None:
    assert len(METRICS) <= 12
    for name, spec in METRICS.items():
        assert re.fullmatch(r"cirray_[a-z_]+", name)
        assert name.endswith("_total") == (spec.kind == "counter")
        assert bool(spec.buckets) == (spec.kind == "histogram")
    meters = RayMeters()
    for name, spec in METRICS.items():
        meters.record(name, 1.0, **dict.fromkeys(spec.tags, "x"))


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    shown = set()
    for query in queries:
        names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"ray_(\w+)", query)}
        tags = {tag for name in names for tag in METRICS[name].tags}
        for labels in re.findall(r"by \(([^)]*)\)", query):
            assert set(labels.split(", ")) <= tags | {"le", "ReplicaId"}
        shown |= names
    assert shown == set(METRICS)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
