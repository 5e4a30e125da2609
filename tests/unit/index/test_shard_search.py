"""Search through shards against a naive ranking of everything."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cirray.errors import MismatchError, QueryError
from cirray.index import Hit, Shard, merge, shard_of
from cirray.index.shard import SHARD_ITEMS

Vectors = npt.NDArray[np.float32]
MakeItems = Callable[[list[str]], pa.Table]


@dataclass(frozen=True)
class World:
    """A gallery with queries."""

    item_ids: list[str]
    vectors: Vectors
    queries: Vectors


def _unit(vectors: npt.NDArray[np.float64]) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Galleries full of equal and of almost equal vectors, with queries near some of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dim = draw(st.sampled_from([1, 2, 7, 32]))
    num_items = draw(st.integers(0, 90))
    distinct = rng.normal(size=(draw(st.integers(1, 12)), dim))
    vectors = distinct[rng.integers(0, len(distinct), num_items)]
    vectors = vectors + draw(st.sampled_from([0.0, 1e-7, 1e-6, 1.0])) * rng.normal(size=vectors.shape)
    queries = distinct[rng.integers(0, len(distinct), draw(st.integers(1, 25)))]
    queries = queries + draw(st.sampled_from([0.0, 0.1])) * rng.normal(size=queries.shape)
    numbers = rng.permutation(1000)[:num_items]
    return World([f"i{number}" for number in numbers], _unit(vectors), _unit(queries))


def _cut(world: World, num_shards: int) -> list[Shard]:
    shards = []
    for number in range(num_shards):
        rows = [row for row, item_id in enumerate(world.item_ids) if shard_of(item_id, num_shards) == number]
        empty = {"label": "", "caption": "", "category": "", "attributes": []}
        items = pa.Table.from_pylist([{"item_id": world.item_ids[row], **empty} for row in rows], schema=SHARD_ITEMS)
        shards.append(Shard.build(items, world.vectors[rows], world.queries.shape[1]))
    return shards


def _naive(world: World, query: int, k: int, exclude: Collection[str]) -> list[str]:
    """Rank everything by the correctly rounded inner product, then by id."""
    scored = []
    for item_id, vector in zip(world.item_ids, world.vectors, strict=True):
        products = vector.astype(np.float64) * world.queries[query].astype(np.float64)
        # Rounded far below any difference that float32 vectors can have here, far above float64's rounding.
        scored.append((-round(math.fsum(products), 14), item_id))
    return [item_id for _, item_id in sorted(scored) if item_id not in exclude][:k]


@settings(max_examples=150, deadline=None)
@given(worlds(), st.integers(1, 5), st.integers(1, 100), st.integers(0, 2**32 - 1))
def test_shards_together_rank_as_the_naive_ranking_does(world: World, num_shards: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    exclude = [
        [i for i in world.item_ids if rng.random() < 0.1] + ["i-of-no-shard"] for _ in range(len(world.queries))
    ]
    answers = [shard.search(world.queries, k, exclude) for shard in _cut(world, num_shards)]
    flat = _cut(world, 1)[0].search(world.queries, k, exclude)
    for query in range(len(world.queries)):
        merged = merge([answer[query] for answer in answers], k)
        assert merged == flat[query]
        assert [hit.item_id for hit in merged] == _naive(world, query, k, exclude[query])


@settings(max_examples=40, deadline=None)
@given(worlds(), st.integers(1, 30))
def test_an_answer_does_not_depend_on_the_batch_it_is_asked_in(world: World, k: int) -> None:
    (shard,) = _cut(world, 1)
    together = shard.search(world.queries, k)
    alone = [shard.search(world.queries[i : i + 1], k)[0] for i in range(len(world.queries))]
    assert together == alone


def test_a_crowd_of_equal_vectors_larger_than_any_first_fetch_is_ordered_by_id(make_items: MakeItems) -> None:
    rng = np.random.default_rng(0)
    item_ids = [f"{number:04d}" for number in rng.permutation(3000)]
    shard = Shard.build(make_items(item_ids), np.repeat(_unit(np.ones((1, 16))), 3000, axis=0), 16)
    excluded = [f"{number:04d}" for number in range(0, 1000, 2)]
    (hits,) = shard.search(_unit(rng.normal(size=(1, 16))), 700, [excluded])
    expected = [f"{number:04d}" for number in range(3000) if number % 2 or number >= 1000][:700]
    assert [hit.item_id for hit in hits] == expected
    assert len({hit.score for hit in hits}) == 1


def test_vectors_that_float32_cannot_tell_apart_are_ordered_by_their_exact_scores(make_items: MakeItems) -> None:
    # Their scores, 1/2 + 2⁻³¹ and 1/2 + 2⁻³⁰ and 1/2, are all 1/2 in float32.
    vectors = np.array([[1, 2.0**-29], [1, 2.0**-28], [1, 0]], np.float32)
    shard = Shard.build(make_items(["a", "b", "c"]), vectors, 2)
    (hits,) = shard.search(np.array([[1, 2.0**-1]], np.float32) / np.float32(2), 3)
    assert [hit.item_id for hit in hits] == ["b", "a", "c"]
    assert hits[0].score > hits[1].score > hits[2].score == 0.5


def test_a_hit_is_an_id_and_the_cosine(make_items: MakeItems) -> None:
    shard = Shard.build(make_items(["x", "y"]), np.array([[1, 0], [0.6, 0.8]], np.float32), 2)
    ((first, second),) = shard.search(np.array([[1, 0]], np.float32), 5)
    assert first == Hit("x", 1.0)
    assert second.item_id == "y"
    assert second.score == float(np.float32(0.6))


def test_excluded_items_make_room_for_the_next_ones(make_items: MakeItems) -> None:
    vectors = _unit(np.stack([np.ones(20), np.arange(20)], axis=1))
    shard = Shard.build(make_items([f"{number:02d}" for number in range(20)]), vectors, 2)
    query = np.array([[1, 0], [1, 0]], np.float32)
    first, second = shard.search(query, 3, [["00", "02"], []])
    assert [hit.item_id for hit in first] == ["01", "03", "04"]
    assert [hit.item_id for hit in second] == ["00", "01", "02"]
    (nothing,) = shard.search(query[:1], 3, [shard.item_ids])
    assert nothing == []


def test_many_excluded_items_do_not_shorten_an_answer(make_items: MakeItems) -> None:
    vectors = _unit(np.stack([np.ones(200), np.arange(200)], axis=1))
    shard = Shard.build(make_items([f"{number:03d}" for number in range(200)]), vectors, 2)
    (hits,) = shard.search(np.array([[1, 0]], np.float32), 2, [[f"{number:03d}" for number in range(150)]])
    assert [hit.item_id for hit in hits] == ["150", "151"]


def test_an_empty_shard_and_no_queries_have_empty_answers(make_items: MakeItems) -> None:
    empty = Shard.build(make_items([]), np.zeros((0, 4), np.float32), 4)
    assert empty.search(_unit(np.ones((2, 4))), 3, [["a"], []]) == [[], []]
    full = Shard.build(make_items(["a"]), _unit(np.ones((1, 4))), 4)
    assert full.search(np.zeros((0, 4), np.float32), 3) == []


@pytest.mark.parametrize("flaw", [np.nan, np.inf, -np.inf, 1e30])
def test_a_query_that_has_no_cosine_is_refused(make_items: MakeItems, flaw: float) -> None:
    shard = Shard.build(make_items(["a"]), _unit(np.ones((1, 4))), 4)
    query = _unit(np.ones((2, 4)))
    query[1, 2] = flaw
    with pytest.raises(QueryError, match="cannot be searched for"):
        shard.search(query, 1)


def test_queries_of_another_dimension_are_refused(make_items: MakeItems) -> None:
    shard = Shard.build(make_items(["a"]), _unit(np.ones((1, 4))), 4)
    for wrong in (np.zeros((2, 5), np.float32), np.zeros(4, np.float32)):
        with pytest.raises(MismatchError, match="holds vectors of 4 dimensions"):
            shard.search(wrong, 1)


def test_an_impossible_request_is_refused(make_items: MakeItems) -> None:
    shard = Shard.build(make_items(["a"]), _unit(np.ones((1, 4))), 4)
    with pytest.raises(QueryError, match="asked were 0"):
        shard.search(_unit(np.ones((1, 4))), 0)
    with pytest.raises(QueryError, match="2 queries came with 1 lists"):
        shard.search(_unit(np.ones((2, 4))), 1, [[]])
