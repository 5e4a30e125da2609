from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cirray.errors import (
    ArtifactError,
    BadImageError,
    FilterError,
    MismatchError,
    QueryError,
    ShardsUnavailableError,
    UnknownItemError,
)
from cirray.index import parse_filter
from cirray.search import ComposedQuery, Query, SearchEngine, ShardFailure, ask_shard


def _ranking(shop: Any, query: npt.NDArray[np.float32], exclude: Sequence[str] = ()) -> list[str]:
    """Rank the whole gallery one item at a time."""
    scores = {i: float(shop.model.embed([p])[0].astype(np.float64) @ query) for i, p in shop.pictures.items()}
    return [i for i in sorted(scores, key=lambda i: (-scores[i], i)) if i not in exclude]


def _composed(engine: SearchEngine, query: Query) -> ComposedQuery:
    return engine.compose([engine.prepare(query)])[0]


def _ask(shop: Any, composed: ComposedQuery, number: int) -> Any:
    return ask_shard(number, shop.shards[number], composed.vector[None], [composed.options])[0]


def _png(size: tuple[int, int]) -> bytes:
    sink = io.BytesIO()
    Image.new("1", size).save(sink, "PNG")
    return sink.getvalue()


def test_an_item_with_a_text_finds_what_the_composed_vector_is_nearest_to(shop: Any) -> None:
    answer = shop.engine().search(Query("more red", reference_id="item-03", limit=8))
    (vector,) = shop.model.compose([shop.pictures["item-03"]], ["more red"])
    assert [hit.item_id for hit in answer.hits] == _ranking(shop, vector, ["item-03"])[:8]
    assert [hit.rank for hit in answer.hits] == list(range(1, 9))
    assert all(hit.label == f"label of {hit.item_id}" for hit in answer.hits)
    assert all(hit.caption == f"caption of {hit.item_id}" for hit in answer.hits)
    assert [hit.score for hit in answer.hits] == sorted((hit.score for hit in answer.hits), reverse=True)
    assert answer.unknown_words == ("more",)
    assert (answer.coverage.total, answer.coverage.ok, answer.coverage.failures) == (3, 3, ())
    assert (answer.coverage.ratio, answer.coverage.degraded) == (1.0, False)
    assert (answer.index, answer.index_version) == ("shop", "e" * 16)


def test_the_reference_is_left_out_only_where_that_is_wanted(shop: Any) -> None:
    engine = shop.engine()
    everything = Query("nothing known", reference_id="item-03", limit=200, exclude_reference=False)
    assert engine.search(everything).hits[0].item_id == "item-03"
    rest = engine.search(Query("nothing known", reference_id="item-03", limit=200))
    assert {hit.item_id for hit in rest.hits} == set(shop.pictures) - {"item-03"}
    # Another item with the same picture is an answer like any other.
    twin = engine.search(Query("nothing known", reference_id="item-22", limit=1))
    assert twin.hits[0].item_id == "item-23"


def test_a_picture_that_is_sent_finds_what_the_same_item_does(shop: Any) -> None:
    engine = shop.engine()
    by_id = engine.search(Query("blue", reference_id="item-05", exclude_reference=False))
    by_picture = engine.search(Query("blue", reference_image=shop.pictures["item-05"]))
    assert by_picture.hits == by_id.hits


def test_timings_tell_where_the_time_went(shop: Any) -> None:
    timings = shop.engine().search(Query("blue", reference_id="item-05")).timings_ms
    assert list(timings) == ["decode", "compose", "search", "merge", "total"]
    assert all(spent >= 0 for spent in timings.values())
    assert timings["total"] >= timings["decode"] + timings["compose"] + timings["search"] + timings["merge"]


def test_queries_composed_together_are_those_composed_alone(shop: Any) -> None:
    engine = shop.engine()
    queries = [Query(text, reference_id=f"item-{n:02d}") for n, text in enumerate(["red", "blue", "gold", "green"])]
    together = engine.compose([engine.prepare(query) for query in queries])
    for query, composed in zip(queries, together, strict=True):
        alone = _composed(engine, query)
        assert np.array_equal(composed.vector, alone.vector)
        assert (composed.query, composed.exclude, composed.unknown_words) == (
            query,
            alone.exclude,
            alone.unknown_words,
        )
    assert engine.compose([]) == []


def test_an_answer_from_fewer_shards_says_so_and_ranks_what_they_hold(shop: Any) -> None:
    engine = shop.engine()
    composed = _composed(engine, Query("green", reference_id="item-01", limit=200))
    outcomes = [_ask(shop, composed, 2), ShardFailure(1, "timeout")]
    answer = engine.assemble(composed, outcomes, search_ms=12.5)
    ranking = _ranking(shop, composed.vector, ["item-01"])
    assert [hit.item_id for hit in answer.hits] == [i for i in ranking if i in shop.shards[2].item_ids]
    assert (answer.coverage.total, answer.coverage.ok, answer.coverage.degraded) == (3, 1, True)
    assert answer.coverage.failures == (ShardFailure(0, "no answer"), ShardFailure(1, "timeout"))
    assert answer.coverage.ratio == pytest.approx(1 / 3)
    assert answer.timings_ms["search"] == 12.5


def test_shards_may_answer_in_any_order_and_with_more_than_the_limit(shop: Any) -> None:
    engine = shop.engine()
    query = Query("green", reference_id="item-01", limit=4)
    composed = _composed(engine, query)
    outcomes = [
        ask_shard(number, shop.shards[number], composed.vector[None], [replace(composed.options, k=20)])[0]
        for number in (2, 0, 1)
    ]
    assert engine.assemble(composed, outcomes, 0.0).hits == engine.search(query).hits


def test_a_shard_that_failed_first_and_then_answered_counts_as_answered(shop: Any) -> None:
    engine = shop.engine()
    composed = _composed(engine, Query("green", reference_id="item-01"))
    outcomes = [ShardFailure(1, "timeout"), *(_ask(shop, composed, number) for number in range(3))]
    assert engine.assemble(composed, outcomes, 0.0).coverage.ok == 3


def test_no_shard_no_answer(shop: Any) -> None:
    engine = SearchEngine(shop.model, shop.dataset, shop.version)
    with pytest.raises(
        ShardsUnavailableError, match=r"None of the 3 shards of index shop@e+ answered \(0: no answer"
    ):
        engine.search(Query("green", reference_id="item-01"))
    composed = _composed(engine, Query("green", reference_id="item-01"))
    with pytest.raises(ShardsUnavailableError, match="1: timeout"):
        engine.assemble(composed, [ShardFailure(1, "timeout")], 1.0)


def test_an_unknown_item_is_an_error_that_names_the_index(shop: Any) -> None:
    with pytest.raises(UnknownItemError, match=r"no item 'item-99' in index shop@e+, .* dataset shop@2"):
        shop.engine().search(Query("red", reference_id="item-99"))
    with pytest.raises(UnknownItemError, match="no item ''"):
        shop.engine().search(Query("red", reference_id=""))


def test_references_can_be_looked_up_elsewhere(shop: Any) -> None:
    class OneItem:
        def image(self, item_id: str) -> bytes:
            if item_id != "only":
                raise UnknownItemError("no such item")
            return bytes(shop.pictures["item-07"])

    engine = SearchEngine(shop.model, shop.dataset, shop.version, shop.shards, OneItem())
    assert engine.search(Query("x", reference_id="only")).hits[0].item_id == "item-07"
    with pytest.raises(UnknownItemError, match="'item-07' in index shop"):
        engine.prepare(Query("x", reference_id="item-07"))


@pytest.mark.parametrize("data", [b"", b"not a picture", _png((8, 8))[:40]])
def test_what_is_not_a_picture_is_refused(shop: Any, data: bytes) -> None:
    with pytest.raises(BadImageError):
        shop.engine().prepare(Query("red", reference_image=data))


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(shop: Any) -> None:
    with pytest.raises(BadImageError, match=r"20,000,000"):
        shop.engine().prepare(Query("red", reference_image=_png((5001, 4000))))


def test_a_model_or_a_dataset_of_another_index_is_refused(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    other = type(shop.model)()
    other.fingerprint = "bbbb2222"
    with pytest.raises(MismatchError, match=r"colours@1 \(fingerprint aaaa1111\).*bbbb2222"):
        shop.engine(other)
    monkeypatch.setattr(type(shop.dataset), "fingerprint", "cccc3333")
    with pytest.raises(MismatchError, match=r"shop@2 \(fingerprint \w{64}\).*cccc3333"):
        shop.engine()


@pytest.mark.parametrize("vectors", [np.full((1, 3), np.nan, np.float32), np.zeros((1, 4), np.float32)])
def test_a_model_that_gives_unusable_vectors_is_named(shop: Any, vectors: npt.NDArray[np.float32]) -> None:
    broken = type(shop.model)()
    broken.compose = lambda images, texts: vectors
    with pytest.raises(ArtifactError, match=r"Model colours@1 gave vectors of shape"):
        shop.engine(broken).search(Query("red", reference_id="item-01"))


def test_a_text_that_the_model_refuses_is_the_querys_fault(shop: Any) -> None:
    def refuse(images: Sequence[bytes], texts: Sequence[str]) -> None:
        raise QueryError("no word of the text is known")

    picky = type(shop.model)()
    picky.compose = refuse
    with pytest.raises(QueryError, match="no word"):
        shop.engine(picky).search(Query("red", reference_id="item-01"))


def test_a_filter_with_exclusions_ranks_what_is_left(shop: Any) -> None:
    engine = shop.engine()
    labels = [f"label of item-{number:02d}" for number in range(0, 24, 2)]
    wanted = parse_filter(json.dumps({"must": [{"field": "label", "in": labels}]}))
    for limit in (5, 200):
        query = Query("green", "item-04", limit=limit, filter=wanted, exclude_ids=("item-06", "item-07", "nobody"))
        answer = engine.search(query)
        (vector,) = shop.model.compose([shop.pictures["item-04"]], ["green"])
        even = [i for i in _ranking(shop, vector, ["item-04", "item-06"]) if int(i[-2:]) % 2 == 0]
        assert [hit.item_id for hit in answer.hits] == even[:limit]
        assert (answer.coverage.filter, answer.coverage.exhausted) == ("exact-scan", limit == 200)


def test_shards_that_kept_a_filter_in_different_ways_say_mixed(shop: Any) -> None:
    engine = shop.engine()
    composed = _composed(engine, Query("green", "item-01", limit=200))
    outcomes = [replace(_ask(shop, composed, number), plan=plan) for number, plan in enumerate(["ann", "ann", "ann"])]
    assert engine.assemble(composed, outcomes, 0.0).coverage.filter == "ann"
    outcomes[1] = replace(outcomes[1], plan="exact-scan")
    assert engine.assemble(composed, outcomes, 0.0).coverage.filter == "mixed"
    # What one shard cut short of others it may have, or did not answer at all, is not all there is.
    assert engine.assemble(composed, outcomes, 0.0).coverage.exhausted
    cut = [*outcomes[:2], replace(outcomes[2], complete=False)]
    assert not engine.assemble(composed, cut, 0.0).coverage.exhausted
    assert not engine.assemble(composed, outcomes[:2], 0.0).coverage.exhausted


def test_a_filter_on_a_field_that_is_not_there_is_refused_before_any_shard_is_asked(shop: Any) -> None:
    wanted = parse_filter('{"must": [{"field": "price", "range": {"lte": 80}}]}')
    with pytest.raises(FilterError, match="no field 'price'; they have: item_id"):
        shop.engine().prepare(Query("red", "item-01", filter=wanted))
    with pytest.raises(QueryError, match="of kind flat, which has no ef"):
        shop.engine().prepare(Query("red", "item-01", ef=100))


def test_search_needs_neither_ray_nor_torch() -> None:
    code = "import sys, cirray.search, cirray.index; print([m for m in ('ray', 'torch') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
