"""The first items of each query's exact ranking, where it is the ranking that is asked for and not a metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cirray.datasets.pixels import PixelSource
from cirray.evaluation.embedding import Embedder, batches_of, batches_of_sets
from cirray.evaluation.model import RetrievalModel
from cirray.evaluation.queries import QuerySet
from cirray.evaluation.ranking import NOTHING, RankingTask, rank

FIRST = 50
"""Items of a ranking over a whole gallery: no server looks at more."""

FIRST_OF_SUBSET = 3
"""Items of a ranking among the query's own set, for R_subset@1, 2, 3."""


class Hits(NamedTuple):
    """What was found for one query.

    Attributes:
        of_gallery: ids of the first items of the gallery, best first.
        of_subset: ids of the first items of the query's set, best first; empty where it has none.
    """

    of_gallery: list[str]
    of_subset: list[str]


def first_hits(
    model: RetrievalModel,
    pixels: PixelSource,
    ids: Sequence[str],
    sets: Sequence[QuerySet],
    alone: QuerySet,
    progress: Callable[[int, int], None],
) -> list[Hits]:
    """Return the hits of all queries in turn, then those of the queries that are `alone`.

    Args:
        model: that ranks.
        pixels: of all items.
        ids: of all items.
        sets: queries with their galleries.
        alone: queries without a text, over the gallery of the first set: they are the reference's own vector on the
            gallery side.
        progress: called with (batches done, batches in all).

    Raises:
        DataError: a score is not a number.
    """
    names = np.array(ids, dtype=object)
    embedder = Embedder(model, pixels, progress, batches_of_sets(model, sets) + batches_of(len(alone.queries)))
    hits: list[Hits] = []
    last: list[Hits] = []
    for query_set in sets:
        task = embedder.task(query_set)
        hits += _hits(task, names[query_set.gallery])
        if query_set is sets[0] and alone.queries:
            last = _hits(_without_text(task, alone, embedder), names[query_set.gallery])
    return hits + last


def _without_text(task: RankingTask, alone: QuerySet, embedder: Embedder) -> RankingTask:
    """Return other queries over the gallery of `task`, scored by their likeness to the reference."""
    return replace(
        task,
        queries=embedder.images(alone.references),
        answers=[query.answers for query in alone.queries],
        excluded=alone.excluded,
        subsets=[query.subset for query in alone.queries],
        scorer=None,
        texts=(),
    )


def _hits(task: RankingTask, names: npt.NDArray[np.object_]) -> list[Hits]:
    ranking = rank(task, FIRST, subset_depth=FIRST_OF_SUBSET)
    return [
        Hits(*(names[places[places != NOTHING]].tolist() for places in both))
        for both in zip(ranking.hits, ranking.subset_hits, strict=True)
    ]
