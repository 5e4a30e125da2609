"""POST /v1/search: the answer is the engine's, and says how it came about."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Callable, Sequence

import httpx
import pytest

from cirray.index import SearchOptions
from cirray.index.embedder import Vectors
from cirray.search import Query, SearchEngine, ShardAnswer
from cirray.service import Gallery
from cirray.service.fanout import Reason, ShardFaultError
from tests.asgi_client import Api

TEXT = "make the red object blue"
MakeApi = Callable[..., Api]


class FailingShard:
    """A shard that cannot answer."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def ask(self, version: str, queries: Vectors, options: Sequence[SearchOptions]) -> list[ShardAnswer]:
        raise self.error

    async def probe(self, version: str) -> None:
        raise self.error


class HangingShard:
    """A shard that never answers."""

    async def ask(self, version: str, queries: Vectors, options: Sequence[SearchOptions]) -> list[ShardAnswer]:
        await asyncio.Event().wait()
        raise AssertionError

    async def probe(self, version: str) -> None:
        await asyncio.Event().wait()


@pytest.fixture(scope="module")
def reference(gallery: Gallery) -> str:
    return gallery.examples(1)[0][0].item_id


def hits_of(answer: httpx.Response) -> list[tuple[str, int, float]]:
    assert answer.status_code == 200, answer.text
    return [(hit["id"], hit["rank"], hit["score"]) for hit in answer.json()["hits"]]


def expected(engine: SearchEngine, query: Query) -> list[tuple[str, int, float]]:
    return [(hit.item_id, hit.rank, hit.score) for hit in engine.search(query).hits]


def test_search_by_id_gives_what_the_engine_gives(api: Api, engine: SearchEngine, reference: str) -> None:
    answer = api.search(reference={"id": reference}, text=TEXT, limit=7)
    assert hits_of(answer) == expected(engine, Query(TEXT, reference_id=reference, limit=7))
    assert len(answer.json()["hits"]) == 7


def test_search_by_picture_gives_what_the_engine_gives(
    api: Api, engine: SearchEngine, gallery: Gallery, reference: str
) -> None:
    picture = gallery.image(reference)
    answer = api.search(reference={"image": base64.b64encode(picture).decode()}, text=TEXT)
    assert hits_of(answer) == expected(engine, Query(TEXT, reference_image=picture))


def test_the_answer_says_how_it_came_about(api: Api, engine: SearchEngine, gallery: Gallery, reference: str) -> None:
    answer = api.search(reference={"id": reference}, text=f"  {TEXT} zyzzyva ", limit=3, index="tiny")
    found = answer.json()
    assert found["query"] == {
        "composer": "tiny/tirg",
        "composer_version": engine.version.details.model.partition("@")[2],
        "text": f"{TEXT} zyzzyva",
        "unknown_words": [*engine.model.unknown_words(TEXT), "zyzzyva"],
    }
    assert "make" not in found["query"]["unknown_words"]
    assert found["index"] == {"name": "tiny", "version": engine.version.version}
    assert found["coverage"] == {
        "ratio": 1.0,
        "degraded": False,
        "shards": {"total": 2, "ok": 2, "failed": 0},
        "failures": [],
        "filter": None,
        "exhausted": False,
    }
    timings = found["timings_ms"]
    assert all(timings[stage] > 0 for stage in ("decode", "compose", "search", "merge"))
    assert sum(timings.values()) - timings["total"] <= timings["total"]
    first = gallery.item(found["hits"][0]["id"])
    assert (found["hits"][0]["label"], found["hits"][0]["caption"]) == (first.label, first.caption)
    assert api.get(found["hits"][0]["image_url"]).content == gallery.image(first.item_id)
    assert [part.split(";")[0] for part in answer.headers["server-timing"].split(", ")] == list(timings)
    assert answer.headers["x-request-id"] == found["request_id"]
    assert "x-degraded" not in answer.headers


def test_the_reference_is_left_out_unless_it_is_wanted(api: Api, gallery: Gallery, reference: str) -> None:
    everything = {"reference": {"id": reference}, "text": TEXT, "limit": len(gallery)}
    without = [hit[0] for hit in hits_of(api.search(**everything))]
    assert reference not in without
    assert len(without) == len(gallery) - 1
    assert reference in [hit[0] for hit in hits_of(api.search(**everything, exclude_reference=False))]


def test_fewer_hits_than_asked_for_are_said_to_be_all(api: Api, gallery: Gallery, reference: str) -> None:
    everything = {"reference": {"id": reference}, "text": TEXT, "limit": len(gallery)}
    assert api.search(**everything).json()["coverage"]["exhausted"] is True
    assert api.search(**everything, exclude_reference=False).json()["coverage"]["exhausted"] is False


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize("reason", ["unavailable", "other-version", "overloaded"])
def test_without_one_shard_the_answer_is_exact_over_the_other_and_says_so(
    make_api: MakeApi, engine: SearchEngine, reference: str, lost: int, reason: Reason
) -> None:
    answer = make_api({lost: FailingShard(ShardFaultError(reason))}).search(
        reference={"id": reference}, text=TEXT, limit=10
    )
    surviving = set(engine.shards[1 - lost].item_ids)
    everything = expected(engine, Query(TEXT, reference_id=reference, limit=200))
    best = [(item, score) for item, _, score in everything if item in surviving][:10]
    assert [(item, score) for item, _, score in hits_of(answer)] == best
    coverage = answer.json()["coverage"]
    assert (coverage["degraded"], coverage["ratio"]) == (True, 0.5)
    assert coverage["shards"] == {"total": 2, "ok": 1, "failed": 1}
    assert coverage["failures"] == [{"shard": lost, "reason": reason}]
    assert answer.headers["x-degraded"] == "1"


def test_a_shard_that_hangs_costs_no_more_than_the_time_of_the_request(make_api: MakeApi, reference: str) -> None:
    answer = make_api({1: HangingShard()}).search(reference={"id": reference}, text=TEXT, timeout_ms=500)
    found = answer.json()
    assert found["coverage"]["failures"] == [{"shard": 1, "reason": "timeout"}]
    assert found["timings_ms"]["search"] <= 500


def test_an_unforeseen_error_of_a_shard_is_a_failure_of_that_shard_only(make_api: MakeApi, reference: str) -> None:
    answer = make_api({0: FailingShard(ValueError("secret"))}).search(reference={"id": reference}, text=TEXT)
    assert answer.json()["coverage"]["failures"] == [{"shard": 0, "reason": "error"}]
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("lost", "min_coverage"), [((0, 1), 0.5), ((0,), 0.75), ((0, 1), 0.0)], ids=["all", "too many", "none at all"]
)
def test_too_little_coverage_is_a_problem(
    make_api: MakeApi, reference: str, lost: tuple[int, ...], min_coverage: float
) -> None:
    broken = {number: FailingShard(ShardFaultError("unavailable")) for number in lost}
    answer = make_api(broken, min_coverage=min_coverage).search(reference={"id": reference}, text=TEXT)
    assert (answer.status_code, answer.json()["code"]) == (503, "insufficient-coverage")
    assert answer.headers["retry-after"] == "1"


def test_time_that_runs_out_while_composing_is_a_problem(
    make_api: MakeApi, engine: SearchEngine, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = threading.Event()

    def prepare(query: Query) -> None:
        finished.wait(5)
        raise AssertionError("came too late for anyone")

    monkeypatch.setattr(engine, "prepare", prepare)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(make_api().app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            body = {"reference": {"id": reference}, "text": TEXT, "timeout_ms": 20}
            answer = await client.post("/v1/search", json=body)
            finished.set()
            return answer

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline-exceeded")


def test_ready_when_every_shard_is(api: Api, make_api: MakeApi, engine: SearchEngine) -> None:
    ready = api.get("/readyz")
    assert ready.json() == {
        "status": "ready",
        "index": {"name": "tiny", "version": engine.version.version},
        "shards": None,
    }
    listed = [{"shard": number, "ready": True, "reason": None} for number in range(2)]
    assert api.get("/readyz?verbose").json()["shards"] == listed
    missing = make_api({1: FailingShard(ShardFaultError("other-version"))})
    answer = missing.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not-ready")
    assert "shard 1 (other-version)" in answer.json()["detail"]
    assert missing.get("/livez").json() == {"status": "live"}
