"""Exact ranks and best items, with the scores of one block of queries and items in memory at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cirray.evaluation.scores import Gallery, GivenScores, ProductScores, Scorer, Scores
from cirray.evaluation.sieve import Sifted, sift
from cirray.exact import Doubles, Floats, Ints

BLOCK = 2048
"""Queries ranked at once."""

BLOCK_ON_GPU = 4096

BLOCK_OF_PAIRS = 64
"""Queries ranked at once where every pair with a gallery item is scored for itself, which takes longer."""

NEVER = np.iinfo(np.int64).max
"""Rank of a query none of whose right answers is in the gallery."""

NOTHING = -1
"""Position of a hit that is not there, as the gallery has no more."""


@dataclass(frozen=True)
class RankingTask:
    """Queries, a gallery, and which gallery items answer which query.

    Attributes:
        queries: (Q, D) float32.
        gallery: (G, D) float32, in the order of the item ids, which breaks ties.
        answers: for each query the gallery positions of its right answers, ascending.
        excluded: (Q,) gallery position left out of each query's ranking (its reference), or −1 for none.
        subsets: for each query the gallery positions among which it is ranked besides; none if there are no subsets.
        scorer: what scores, where it is not the dot product.
        texts: of the queries, for the scorer.
    """

    queries: Floats
    gallery: Floats
    answers: Sequence[Ints]
    excluded: Ints
    subsets: Sequence[Ints] = ()
    scorer: Scorer | None = None
    texts: Sequence[str] = ()


@dataclass(frozen=True)
class Ranking:
    """What a task came to. Ranks begin at 1.

    Attributes:
        ranks: (Q,) of each query's first right answer; `NEVER` where the gallery has none.
        subset_ranks: (Q,) the same among the items of the query's subset alone.
        hits: (Q, depth) positions of the best items, best first; `NOTHING` beyond the last.
        subset_hits: (Q, subset_depth) the same among the items of the query's subset alone.
    """

    ranks: Ints
    subset_ranks: Ints
    hits: Ints
    subset_hits: Ints


def rank(task: RankingTask, depth: int = 0, device: torch.device | None = None, *, subset_depth: int = 0) -> Ranking:
    """Return the rank of each query's first right answer, and the best items, exactly.

    The score is the dot product of the vectors as `exact_scores` defines it, or the scorer's. Equal scores rank by
    gallery position. The excluded item takes no rank, and is no right answer even if it is listed as one. A matrix
    product in float32 settles most of it, by blocks; what lies within its rounding is scored exactly. So the answer
    depends neither on the blocks nor on the device, and is that of a full sort by exact scores.

    Args:
        task: what is ranked.
        depth: how many of the best items to find.
        device: that multiplies; by default a GPU where there is one.
        subset_depth: how many of the best items of its subset to find for each query.

    Raises:
        DataError: a score is not a number.
    """
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    gallery = Gallery(task.gallery, device)
    size = BLOCK_OF_PAIRS if task.scorer else BLOCK if device.type == "cpu" else BLOCK_ON_GPU
    count = len(task.queries)
    blocks = [slice(start, min(start + size, count)) for start in range(0, count, size)]
    found = [_rank_block(task, rows, _scores(task, rows, gallery), depth, subset_depth) for rows in blocks]
    found.insert(0, _none_yet(0, depth, subset_depth))
    return Ranking(
        np.concatenate([each.ranks for each in found]),
        np.concatenate([each.subset_ranks for each in found]),
        np.concatenate([each.hits for each in found]),
        np.concatenate([each.subset_hits for each in found]),
    )


def answer_ranks(hits: Ints, relevant: Sequence[Ints], excluded: Ints) -> list[Ints]:
    """Return for each query the ranks of its right answers, ascending; `NEVER` for those that are not among the hits.

    Args:
        hits: (Q, depth) as `rank` finds them.
        relevant: for each query the gallery positions of its right answers.
        excluded: (Q,) position that is no right answer, or −1.
    """
    found = []
    for row, (wanted, left_out) in enumerate(zip(relevant, excluded, strict=True)):
        wanted = wanted[wanted != left_out]
        ranks = np.full(len(wanted), NEVER, dtype=np.int64)
        places = np.flatnonzero(np.isin(hits[row], wanted))
        ranks[: len(places)] = places + 1
        found.append(ranks)
    return found


def _scores(task: RankingTask, rows: slice, gallery: Gallery) -> Scores:
    if task.scorer is not None:
        return GivenScores(task.scorer(task.queries[rows], task.texts[rows], task.gallery))
    return ProductScores(task.queries[rows], gallery)


def _none_yet(count: int, depth: int, subset_depth: int) -> Ranking:
    """Return the ranking of queries for which nothing was found."""
    ranks, hits = (
        np.full((2, count), NEVER, dtype=np.int64),
        np.full((count, depth + subset_depth), NOTHING, dtype=np.int64),
    )
    return Ranking(ranks[0], ranks[1], hits[:, :depth], hits[:, depth:])


def _rank_block(task: RankingTask, rows: slice, scores: Scores, depth: int, subset_depth: int) -> Ranking:
    excluded = task.excluded[rows]
    answers = _flat(task.answers[rows], excluded)
    thresholds, places = _best_answers(scores, answers, len(excluded))
    sifted = sift(scores, thresholds, excluded, depth)
    queries, items = sifted.doubtful
    exact = scores.exact(queries, items)
    ahead = (exact > thresholds[queries]) | ((exact == thresholds[queries]) & (items < places[queries]))
    found = _none_yet(len(excluded), depth, subset_depth)
    found.ranks[:] = 1 + sifted.above + np.bincount(queries[ahead], minlength=len(excluded))
    found.ranks[places == NOTHING] = NEVER
    _put_best(found.hits, scores, sifted)
    if task.subsets:
        _put_subsets(found, scores, _flat(task.subsets[rows], excluded), answers)
    return found


def _flat(positions: Sequence[Ints], excluded: Ints) -> Ints:
    """Return the pairs (2, P) of each query with its positions, without those that are excluded."""
    counts = np.array([len(each) for each in positions], dtype=np.int64)
    queries = np.repeat(np.arange(len(positions)), counts)
    items = np.concatenate([np.empty(0, dtype=np.int64), *positions])
    kept = items != excluded[queries]
    return np.stack([queries[kept], items[kept]])


def _best_answers(scores: Scores, answers: Ints, count: int) -> tuple[Doubles, Ints]:
    """Return the score and the position of each query's best right answer; infinity and `NOTHING` where none is."""
    thresholds, places = np.full(count, np.inf), np.full(count, NOTHING, dtype=np.int64)
    queries, items = answers
    exact = scores.exact(queries, items)
    order = np.lexsort((items, -exact, queries))
    first, at = np.unique(queries[order], return_index=True)
    thresholds[first], places[first] = exact[order][at], items[order][at]
    return thresholds, places


def _put_subsets(found: Ranking, scores: Scores, subsets: Ints, answers: Ints) -> None:
    """Put down the rank of each query's first right answer among its subset, and the best of the subset."""
    queries, items = subsets
    order = np.lexsort((items, -scores.exact(queries, items), queries))
    queries, items = queries[order], items[order]
    right = np.isin(queries * scores.num_items + items, answers[0] * scores.num_items + answers[1])
    places = _places_within(queries)
    np.minimum.at(found.subset_ranks, queries[right], 1 + places[right])
    kept = places < found.subset_hits.shape[1]
    found.subset_hits[queries[kept], places[kept]] = items[kept]


def _put_best(hits: Ints, scores: Scores, sifted: Sifted) -> None:
    """Put down the positions (B, depth) of the best among the candidates.

    Only those that lie so close to a neighbour that float32 cannot tell which is ahead are scored exactly.
    """
    order = np.lexsort((sifted.candidates[1], -sifted.values, sifted.candidates[0]))
    queries, items = sifted.candidates[:, order]
    values = sifted.values[order]
    close = (queries[1:] == queries[:-1]) & (values[:-1] - values[1:] <= 2.0001 * scores.error[queries[1:]])
    clusters = np.concatenate([np.zeros(min(1, len(items)), dtype=np.int64), np.cumsum(~close)])
    doubtful = np.zeros(len(items), dtype=bool)
    doubtful[1:] |= close
    doubtful[:-1] |= close
    keys = np.zeros(len(items))
    keys[doubtful] = -scores.exact(queries[doubtful], items[doubtful])
    order = np.lexsort((items, keys, clusters))
    places = _places_within(queries)
    kept = places < hits.shape[1]
    hits[queries[kept], places[kept]] = items[order][kept]


def _places_within(queries: Ints) -> Ints:
    """Return for each entry its place, from 0, among those of its query; the queries ascend."""
    places: Ints = np.arange(len(queries)) - np.searchsorted(queries, queries)
    return places
