"""Ranks and best items, against a full sort of every query's scores."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cirray.errors import DataError
from cirray.evaluation import NEVER, RankingTask, answer_ranks, rank, ranking, recalled_at, sieve
from cirray.exact import Floats, Ints, exact_scores

DEPTH = 7

DEPTH_OF_SUBSET = 3


def naive_order(task: RankingTask, query: int) -> list[int]:
    """Sort the whole gallery in plain Python, by scores without rounding."""
    scored = []
    for position in range(len(task.gallery)):
        if position != task.excluded[query]:
            pairs = zip(task.queries[query].tolist(), task.gallery[position].tolist(), strict=True)
            scored.append((-sum((Fraction(a) * Fraction(b) for a, b in pairs), Fraction()), position))
    return [position for _, position in sorted(scored)]


def naive_rank(order: list[int], answers: Ints) -> int:
    return next((place for place, position in enumerate(order, start=1) if position in answers), int(NEVER))


def check(task: RankingTask, order_of: list[list[int]]) -> None:
    found = rank(task, DEPTH, subset_depth=DEPTH_OF_SUBSET)
    for query, order in enumerate(order_of):
        assert found.ranks[query] == naive_rank(order, task.answers[query])
        assert found.hits[query].tolist() == (order + [-1] * DEPTH)[:DEPTH]
        among = [position for position in order if position in task.subsets[query]] if task.subsets else []
        assert found.subset_ranks[query] == naive_rank(among, task.answers[query])
        assert found.subset_hits[query].tolist() == (among + [-1] * DEPTH_OF_SUBSET)[:DEPTH_OF_SUBSET]


def task_of(generator: np.random.Generator, queries: Floats, gallery: Floats, labels: int) -> RankingTask:
    """Draw what answers what: by label, so that many items can be right, with a subset and an excluded item."""
    of_gallery = generator.integers(0, labels, len(gallery))
    wanted = generator.integers(0, labels + 1, len(queries))
    return RankingTask(
        queries=queries,
        gallery=gallery,
        answers=[np.flatnonzero(of_gallery == label) for label in wanted],
        excluded=generator.integers(-1, len(gallery), len(queries)),
        subsets=[np.flatnonzero(generator.random(len(gallery)) < 0.3) for _ in queries],
    )


SIZES = {"queries": st.integers(1, 12), "items": st.integers(1, 70), "labels": st.integers(1, 8)}


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), tile=st.sampled_from([32, 64, 4096]), block=st.integers(1, 13), **SIZES)
def test_whole_numbers_with_many_ties_rank_as_in_a_full_sort(
    seed: int, tile: int, block: int, queries: int, items: int, labels: int
) -> None:
    generator = np.random.default_rng(seed)
    drawn = generator.integers(-2, 3, (queries + items, 3)).astype(np.float32)
    task = task_of(generator, drawn[:queries], drawn[queries:], labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sieve, "TILE", tile)
        patch.setattr(ranking, "BLOCK", block)
        check(task, [naive_order(task, query) for query in range(queries)])


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    dim=st.sampled_from([1, 2, 17, 64]),
    spread=st.sampled_from([1.0, 1e-3, 1e-6, 0.0]),
    **SIZES,
)
def test_vectors_that_float32_can_hardly_tell_apart_rank_by_their_exact_scores(
    seed: int, dim: int, spread: float, queries: int, items: int, labels: int
) -> None:
    generator = np.random.default_rng(seed)
    drawn = 1 + spread * generator.standard_normal((queries + items, dim))
    drawn = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    gallery = drawn[queries:]
    gallery[generator.integers(0, items, items // 3)] = gallery[0]  # copies, and what differs in the last bit
    gallery[generator.integers(0, items, items // 5)] = np.nextafter(gallery[0], np.float32(2))
    task = task_of(generator, drawn[:queries], gallery, labels)
    order_of = []
    for query in range(queries):
        order = np.argsort(-exact_scores(gallery, drawn[query]), kind="stable")
        order_of.append(order[order != task.excluded[query]].tolist())
    check(task, order_of)


def test_products_that_cancel_in_float32_do_not_mislead() -> None:
    gallery = np.array([[4096.0, 1e-3], [4096.0, 2e-3], [4096.0, 2e-3], [-4096.0, 0]], dtype=np.float32)
    queries = np.array([[1, 1], [1, -1]], dtype=np.float32)
    task = RankingTask(queries, gallery, [np.array([0]), np.array([2])], np.array([-1, -1]))
    check(task, [naive_order(task, query) for query in range(2)])
    assert rank(task).ranks.tolist() == [3, 3]


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), **SIZES)
def test_what_a_scorer_gives_is_taken_as_it_is(seed: int, queries: int, items: int, labels: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(-3, 4, (queries, items)).astype(np.float32) / 3
    numbers = np.arange(queries, dtype=np.float32)[:, None]
    task = replace(
        task_of(generator, numbers, np.zeros((items, 1), np.float32), labels),
        scorer=lambda which, texts, gallery: scores[which[:, 0].astype(int)],
        texts=["a text"] * queries,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "BLOCK_OF_PAIRS", 5)
        check(
            task,
            [
                [p for p in np.argsort(-scores[query], kind="stable").tolist() if p != task.excluded[query]]
                for query in range(queries)
            ],
        )


def test_neither_blocks_nor_what_training_prefers_change_a_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(3)
    drawn = generator.standard_normal((600, 48)).astype(np.float32)
    task = task_of(generator, drawn[:90], drawn[90:], 40)
    whole = rank(task, 20)
    monkeypatch.setattr(sieve, "TILE", 96)
    monkeypatch.setattr(ranking, "BLOCK", 17)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        again = rank(task, 20)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    for name in ("ranks", "subset_ranks", "hits"):
        assert np.array_equal(getattr(whole, name), getattr(again, name))


def test_copies_rank_by_position_in_a_large_gallery() -> None:
    generator = np.random.default_rng(0)
    one = generator.standard_normal((1, 33)).astype(np.float32)
    found = rank(RankingTask(one, np.repeat(one, 5000, axis=0), [np.array([4321])], np.array([7])), 3)
    assert found.ranks.tolist() == [4321]
    assert found.hits.tolist() == [[0, 1, 2]]


def test_a_query_whose_only_answer_is_its_own_reference_is_never_found() -> None:
    one = np.ones((1, 2), dtype=np.float32)
    found = rank(RankingTask(one, one, [np.array([0])], np.array([0])), 2)
    assert found.ranks.tolist() == [NEVER]
    assert found.hits.tolist() == [[-1, -1]]
    assert recalled_at(found.ranks, [10**9])["R@1000000000"].tolist() == [0]


def test_recall_counts_ranks_up_to_k() -> None:
    found = recalled_at(np.array([1, 2, 5, 6]), (1, 5, 10))
    assert {name: values.tolist() for name, values in found.items()} == {
        "R@1": [1, 0, 0, 0],
        "R@5": [1, 1, 1, 0],
        "R@10": [1, 1, 1, 1],
    }


def test_the_ranks_of_several_answers_are_those_among_the_hits() -> None:
    hits = np.array([[4, 2, 9], [1, 0, -1]])
    relevant = [np.array([2, 4, 8]), np.array([0, 1])]
    assert [r.tolist() for r in answer_ranks(hits, relevant, np.array([-1, 1]))] == [[1, 2, NEVER], [2]]


def test_vectors_whose_products_would_overflow_are_refused() -> None:
    task = RankingTask(np.full((1, 2), 1e30, np.float32), np.eye(2, dtype=np.float32) * 1e20, [], np.array([-1]))
    with pytest.raises(DataError, match="unit length"):
        rank(task)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["queries", "gallery"])
def test_vectors_that_are_not_numbers_are_refused(value: float, where: str) -> None:
    generator = np.random.default_rng(0)
    drawn = generator.standard_normal((5, 3)).astype(np.float32)
    task = task_of(generator, drawn[:2], drawn[2:], 2)
    getattr(task, where)[0, 0] = value
    with pytest.raises(DataError, match="not numbers"):
        rank(task)
