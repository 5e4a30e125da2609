"""Ranks and recall, against a full sort of every query's scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirray.errors import DataError
from cirray.evaluation import NEVER, RankingTask, ranking, recall_at, target_ranks


def naive_rank(task: RankingTask, query: int) -> int:
    """Sort the whole gallery in plain Python and look where the first right answer stands."""
    scores = []
    for position, item in enumerate(task.gallery):
        if position != task.excluded[query]:
            score = float(np.float32(np.dot(task.queries[query], item)))
            scores.append((-score, position))
    for rank, (_, position) in enumerate(sorted(scores), start=1):
        if position in task.answers[query]:
            return rank
    return int(NEVER)


def task_of(seed: int, queries: int, gallery: int, labels: int) -> RankingTask:
    """Draw vectors of small whole numbers, so that ties abound and dot products are exact."""
    generator = np.random.default_rng(seed)
    of_gallery, of_queries = generator.integers(0, labels, gallery), generator.integers(0, labels + 1, queries)
    return RankingTask(
        queries=generator.integers(-2, 3, (queries, 3)).astype(np.float32),
        gallery=generator.integers(-2, 3, (gallery, 3)).astype(np.float32),
        answers=[np.flatnonzero(of_gallery == label) for label in of_queries],
        excluded=generator.integers(-1, gallery, queries),
    )


@given(
    seed=st.integers(0, 2**32 - 1),
    queries=st.integers(1, 12),
    gallery=st.integers(1, 30),
    labels=st.integers(1, 8),
)
def test_ranks_are_those_of_a_full_sort(seed: int, queries: int, gallery: int, labels: int) -> None:
    task = task_of(seed, queries, gallery, labels)
    assert target_ranks(task).tolist() == [naive_rank(task, query) for query in range(queries)]


def test_blocks_do_not_change_the_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(seed=3, queries=23, gallery=40, labels=9)
    whole = target_ranks(task)
    monkeypatch.setattr(ranking, "BLOCK", 5)
    assert np.array_equal(target_ranks(task), whole)


def test_a_query_whose_only_answer_is_its_own_reference_is_never_found() -> None:
    one = np.ones((1, 2), dtype=np.float32)
    task = RankingTask(one, one, [np.array([0])], np.array([0]))
    ranks = target_ranks(task)
    assert ranks.tolist() == [NEVER]
    assert recall_at(ranks, (1, 10**9)) == {"R@1": 0.0, "R@1000000000": 0.0}


def test_recall_counts_ranks_up_to_k_in_percent() -> None:
    assert recall_at(np.array([1, 2, 5, 6]), (1, 5, 10)) == {"R@1": 25.0, "R@5": 75.0, "R@10": 100.0}


def test_vectors_that_are_not_numbers_are_refused() -> None:
    task = task_of(seed=0, queries=2, gallery=3, labels=2)
    task.queries[0, 0] = np.nan
    with pytest.raises(DataError, match="not numbers"):
        target_ranks(task)
