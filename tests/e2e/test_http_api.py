"""The service as its users meet it: Ray Serve, real HTTP, replicas that die."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from cirray.search import Query, SearchEngine
from cirray.service import ServiceError, ServiceHandle, start
from cirray.service.middleware import MAX_BODY_BYTES
from tests.service_world import INDEX

pytestmark = pytest.mark.ray

TEXT = "make the small object blue"
RECOVERY_S = 60.0


@pytest.fixture(scope="module")
def client(service: ServiceHandle) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=30.0) as client:
        yield client


@pytest.fixture(scope="module")
def reference(client: httpx.Client) -> str:
    item_id: str = client.get("/v1/examples?limit=1").json()["examples"][0]["reference"]["id"]
    return item_id


def hits_of(answer: httpx.Response) -> list[tuple[str, float]]:
    assert answer.status_code == 200, answer.text
    return [(hit["id"], hit["score"]) for hit in answer.json()["hits"]]


def best_of(engine: SearchEngine, query: Query, allowed: set[str], limit: int) -> list[tuple[str, float]]:
    return [(hit.item_id, hit.score) for hit in engine.search(query).hits if hit.item_id in allowed][:limit]


def test_search_by_id_and_by_picture_over_http(client: httpx.Client, engine: SearchEngine, reference: str) -> None:
    body = {"reference": {"id": reference}, "text": TEXT, "limit": 15}
    answer = client.post("/v1/search", json=body, headers={"x-request-id": "question-1"})
    expected = engine.search(Query(TEXT, reference_id=reference, limit=15)).hits
    assert hits_of(answer) == [(hit.item_id, hit.score) for hit in expected]
    assert answer.json()["coverage"]["shards"] == {"total": 2, "ok": 2, "failed": 0}
    assert answer.json()["request_id"] == "question-1"
    assert answer.headers.get_list("x-request-id") == ["question-1"]
    assert answer.headers["server-timing"].startswith("decode;dur=")

    picture = client.get(f"/v1/items/{reference}/image").content
    body["reference"] = {"image": base64.b64encode(picture).decode()}
    expected = engine.search(Query(TEXT, reference_image=picture, limit=15)).hits
    assert hits_of(client.post("/v1/search", json=body)) == [(hit.item_id, hit.score) for hit in expected]


def test_live_and_ready(client: httpx.Client) -> None:
    assert client.get("/livez").status_code == 200
    ready = client.get("/readyz?verbose").json()
    assert [(shard["shard"], shard["ready"]) for shard in ready["shards"]] == [(0, True), (1, True)]


def test_errors_are_problems_through_serve_too(client: httpx.Client) -> None:
    for answer, code in [
        (client.post("/v1/search", json={}), "validation"),
        (client.get("/v1/items/nobody"), "unknown-item"),
        (client.get("/nothing"), "not-found"),
        (client.delete("/v1/search"), "method-not-allowed"),
    ]:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == code


@pytest.mark.parametrize("announced", [True, False])
def test_a_huge_body_is_refused(client: httpx.Client, announced: bool) -> None:
    pieces = (bytes(2**20) for _ in range(MAX_BODY_BYTES // 2**20 + 1))
    content = bytes(MAX_BODY_BYTES + 1) if announced else pieces
    answer = client.post("/v1/search", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "image-too-large")


@pytest.mark.parametrize("lost", [0, 1])
def test_a_killed_shard_degrades_answers_until_it_is_back_and_never_makes_them_wrong(
    client: httpx.Client, engine: SearchEngine, reference: str, lost: int, kill_shard: Callable[[int], None]
) -> None:
    query = Query(TEXT, reference_id=reference, limit=200)
    everything = {item_id for shard in engine.shards for item_id in shard.item_ids}
    complete = best_of(engine, query, everything, 20)
    without = best_of(engine, query, set(engine.shards[1 - lost].item_ids), 20)
    assert complete != without

    kill_shard(lost)
    degraded = 0
    deadline = time.monotonic() + RECOVERY_S
    while time.monotonic() < deadline:
        body = {"reference": {"id": reference}, "text": TEXT, "timeout_ms": 1000}
        answer = client.post("/v1/search", json=body)
        hits = hits_of(answer)
        coverage = answer.json()["coverage"]
        if not coverage["degraded"]:
            assert hits == complete
            break
        degraded += 1
        assert hits == without
        assert coverage["ratio"] == 0.5
        assert [failure["shard"] for failure in coverage["failures"]] == [lost]
        assert answer.headers["x-degraded"] == "1"
    else:
        pytest.fail(f"shard {lost} was not replaced within {RECOVERY_S:g} s")
    assert degraded, "a new replica takes longer to start than the first search after the kill"
    assert client.get("/readyz").status_code == 200


def test_a_second_service_on_the_same_cluster_is_refused(service: ServiceHandle, served_root: str) -> None:
    args = {"root": served_root, "index": INDEX}
    with pytest.raises(ServiceError, match="runs on this cluster already"):
        start(args, port=int(service.url.rpartition(":")[2]))
