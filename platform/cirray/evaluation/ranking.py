"""Ranks of the right answers, exact, with the scores of one block of queries in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cirray.errors import DataError

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

BLOCK = 1024
"""Queries ranked at once: 1,024 against a million items take 4 GB of scores."""

BLOCK_OF_PAIRS = 64
"""Queries ranked at once where every pair with a gallery item is scored for itself, which takes longer."""

Scorer = Callable[[Floats, Sequence[str], Floats], Floats]
"""From queries (Q, D), their texts, and gallery vectors (G, D) to scores (Q, G); higher is better."""

NEVER = np.iinfo(np.int64).max
"""Rank of a query none of whose right answers is in the gallery."""


@dataclass(frozen=True)
class RankingTask:
    """Queries, a gallery, and which gallery items answer which query.

    Attributes:
        queries: (Q, D) unit vectors.
        gallery: (G, D) unit vectors, in the order of the item ids, which breaks ties.
        answers: for each query the gallery positions of its right answers, ascending.
        excluded: (Q,) gallery position left out of each query's ranking (its reference), or −1 for none.
        scorer: what scores, where it is not the dot product.
        texts: of the queries, for the scorer.
    """

    queries: Floats
    gallery: Floats
    answers: Sequence[Ints]
    excluded: Ints
    scorer: Scorer | None = None
    texts: Sequence[str] = ()

    @property
    def block(self) -> int:
        """How many queries are ranked at once."""
        return BLOCK_OF_PAIRS if self.scorer else BLOCK

    def part(self, of: Sequence[int]) -> RankingTask:
        """Return the task of the queries numbered `of`."""
        return replace(
            self,
            queries=self.queries[of],
            answers=[self.answers[number] for number in of],
            excluded=self.excluded[of],
            texts=[self.texts[number] for number in of] if self.texts else (),
        )

    def scores(self, start: int) -> Tensor:
        """Return the scores (b, G) of the block of queries that begins at `start`."""
        rows = slice(start, start + self.block)
        if self.scorer is not None:
            return torch.from_numpy(self.scorer(self.queries[rows], self.texts[rows], self.gallery))
        return torch.from_numpy(self.queries[rows]) @ torch.from_numpy(self.gallery).T


def target_ranks(task: RankingTask) -> Ints:
    """Return for each query the rank, from 1, of its first right answer; `NEVER` where the gallery has none.

    The score is the dot product, or the scorer's. Equal scores rank by gallery position. The excluded item takes no
    rank, and is no right answer even if it is listed as one.

    Raises:
        DataError: a score is not a number.
    """
    ranks = np.full(len(task.queries), NEVER, dtype=np.int64)
    for query, scores in _scores(task):
        right = _without(task.answers[query], task.excluded[query])
        if len(right):
            # argmax takes the first of equal scores, and positions ascend: the best-placed right answer.
            ranks[query] = _rank(scores, right[np.argmax(scores[right])])
    return ranks


def answer_ranks(task: RankingTask) -> list[Ints]:
    """Return for each query the ranks, from 1 and ascending, of all its right answers that the gallery has.

    Raises:
        DataError: a score is not a number.
    """
    found = []
    for query, scores in _scores(task):
        right = _without(task.answers[query], task.excluded[query])
        found.append(np.sort(np.array([_rank(scores, position) for position in right], dtype=np.int64)))
    return found


def subset_ranks(task: RankingTask, subsets: Sequence[Ints]) -> Ints:
    """Return the rank of each query's first right answer among the items of its subset alone.

    Args:
        task: the queries.
        subsets: for each query gallery positions, ascending.

    Raises:
        DataError: a score is not a number.
    """
    ranks = np.full(len(task.queries), NEVER, dtype=np.int64)
    for query, scores in _scores(task):
        among = _without(subsets[query], task.excluded[query])
        places = np.flatnonzero(np.isin(among, task.answers[query]))
        if len(places):
            ranks[query] = _rank(scores[among], places[np.argmax(scores[among][places])])
    return ranks


def _scores(task: RankingTask) -> Iterator[tuple[int, Floats]]:
    """Yield each query with its scores (G,), the excluded item's being −∞."""
    for start in range(0, len(task.queries), task.block):
        scores = task.scores(start)
        if not bool(torch.isfinite(scores).all()):
            raise DataError("Some scores are not numbers: the model's vectors hold NaN or infinity.")
        for row, values in enumerate(scores.numpy()):
            if (left_out := task.excluded[start + row]) >= 0:
                values[left_out] = -np.inf
            yield start + row, values


def _rank(scores: Floats, position: int) -> int:
    """Return the rank, from 1, of the item at `position`."""
    score = scores[position]
    return int(np.count_nonzero(scores > score) + np.count_nonzero(scores[:position] == score)) + 1


def _without(positions: Ints, excluded: int) -> Ints:
    kept: Ints = positions[positions != excluded]
    return kept
