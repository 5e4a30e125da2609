"""Ranks of the right answers, exact, with the scores of one block of queries in memory at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from cirray.errors import DataError

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

BLOCK = 1024
"""Queries ranked at once: 1,024 against a million items take 4 GB of scores."""

NEVER = np.iinfo(np.int64).max
"""Rank of a query none of whose right answers is in the gallery."""


@dataclass(frozen=True)
class RankingTask:
    """Queries, a gallery, and which gallery items answer which query.

    Attributes:
        queries: (Q, D) unit vectors.
        gallery: (G, D) unit vectors, in the order of the item ids, which breaks ties.
        gallery_labels: (G,) items of equal label are the same answer.
        target_labels: (Q,) label of each query's answer.
        excluded: (Q,) gallery position left out of each query's ranking (its reference), or −1 for none.
    """

    queries: Floats
    gallery: Floats
    gallery_labels: Ints
    target_labels: Ints
    excluded: Ints


def target_ranks(task: RankingTask) -> Ints:
    """Return for each query the rank, from 1, of its first right answer; `NEVER` where the gallery has none.

    The score is the dot product. Equal scores rank by gallery position. The excluded item takes no rank, and is no
    right answer even if its label is.

    Raises:
        DataError: a score is not a number.
    """
    gallery = torch.from_numpy(task.gallery)
    ranks = np.empty(len(task.queries), dtype=np.int64)
    answers = _positions_by_label(task.gallery_labels)
    for start in range(0, len(task.queries), BLOCK):
        rows = slice(start, start + BLOCK)
        scores = torch.from_numpy(task.queries[rows]) @ gallery.T
        if not bool(torch.isfinite(scores).all()):
            raise DataError("Some scores are not numbers: the model's vectors hold NaN or infinity.")
        ranks[rows] = _rank_block(scores.numpy(), task.target_labels[rows], task.excluded[rows], answers)
    return ranks


def _rank_block(scores: Floats, targets: Ints, excluded: Ints, answers: dict[int, Ints]) -> Ints:
    with_exclusion = np.flatnonzero(excluded >= 0)
    scores[with_exclusion, excluded[with_exclusion]] = -np.inf
    ranks = np.full(len(scores), NEVER, dtype=np.int64)
    for row, (target, left_out) in enumerate(zip(targets.tolist(), excluded.tolist(), strict=True)):
        right = answers.get(target, _NONE)
        right = right[right != left_out]
        if not len(right):
            continue
        # argmax takes the first of equal scores, and positions ascend: the best-placed right answer.
        best = right[np.argmax(scores[row, right])]
        score = scores[row, best]
        ahead = np.count_nonzero(scores[row] > score) + np.count_nonzero(scores[row, :best] == score)
        ranks[row] = ahead + 1
    return ranks


def _positions_by_label(labels: Ints) -> dict[int, Ints]:
    order = np.argsort(labels, kind="stable")
    values, starts = np.unique(labels[order], return_index=True)
    return dict(zip(values.tolist(), np.split(order, starts[1:]), strict=True))


_NONE = np.empty(0, dtype=np.int64)
