"""The first items of each query's exact ranking, where it is the ranking that is asked for and not a metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from cirray.datasets.pixels import PixelSource
from cirray.errors import DataError
from cirray.evaluation.evaluation import BATCH
from cirray.evaluation.model import RetrievalModel
from cirray.evaluation.queries import Query, QuerySet
from cirray.evaluation.ranking import BLOCK, BLOCK_OF_PAIRS, Floats, Ints

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


class FirstHits:
    """Ranks galleries for queries, and tells how far it is."""

    def __init__(
        self,
        model: RetrievalModel,
        pixels: PixelSource,
        ids: Sequence[str],
        progress: Callable[[int, int], None],
    ) -> None:
        self._model, self._pixels, self._ids, self._progress = model, pixels, ids, progress
        self._done = self._total = 0

    def of(self, sets: Sequence[QuerySet], alone: Sequence[Query] = ()) -> list[Hits]:
        """Return the hits of all queries in turn, then those of the queries that are `alone`.

        Args:
            sets: queries with their galleries.
            alone: queries without a text, over the gallery of the first set: they are the reference's own vector on
                the gallery side.

        Raises:
            DataError: a score is not a number.
        """
        self._total = sum(_batches(len(each.queries)) + _batches(len(each.gallery)) for each in sets)
        hits: list[Hits] = []
        last: list[Hits] = []
        for query_set in sets:
            gallery = self._encode(query_set.gallery, lambda rows, _: self._model.embed_pixels(self._pixels[rows]))
            if query_set is sets[0] and alone:
                references = np.array([query.reference for query in alone], dtype=np.int64)
                vectors = self._model.embed_pixels(self._pixels[references])
                last = list(self._best(alone, query_set.gallery, iter(vectors @ gallery.T)))
            hits += self._best(query_set.queries, query_set.gallery, self._scores(query_set, gallery))
        return hits + last

    def _best(self, queries: Sequence[Query], gallery: Ints, scores: Iterator[Floats]) -> Iterator[Hits]:
        everything = np.arange(len(gallery))
        for query, values in zip(queries, scores, strict=True):
            if not np.isfinite(values).all():
                raise DataError("Some scores are not numbers: the model's vectors hold NaN or infinity.")
            found = (
                best(values, everything, query.excluded, FIRST),
                best(values, query.subset, query.excluded, FIRST_OF_SUBSET),
            )
            yield Hits(*([self._ids[row] for row in gallery[positions]] for positions in found))

    def _scores(self, query_set: QuerySet, gallery: Floats) -> Iterator[Floats]:
        """Yield the scores (G,) of each query."""
        texts = [query.text for query in query_set.queries]
        queries = self._encode(
            query_set.references,
            lambda rows, batch: self._model.compose_pixels(self._pixels[rows], texts[batch]),
        )
        score, step = self._model.scorer, BLOCK_OF_PAIRS if self._model.scorer else BLOCK
        for start in range(0, len(queries), step):
            rows = slice(start, start + step)
            yield from score(queries[rows], texts[rows], gallery) if score else queries[rows] @ gallery.T

    def _encode(self, rows: Ints, encode: Callable[[Ints, slice], Floats]) -> Floats:
        encoded = []
        for start in range(0, len(rows), BATCH):
            batch = slice(start, start + BATCH)
            encoded.append(encode(rows[batch], batch))
            self._done += 1
            self._progress(self._done, self._total)
        return np.concatenate(encoded)


def best(scores: Floats, among: Ints, excluded: int, count: int) -> Ints:
    """Return the `count` positions with the highest scores, `among` ascending ones and without the excluded one.

    Equal scores keep the order of the positions.
    """
    kept = among[among != excluded]
    found: Ints = kept[np.argsort(-scores[kept], kind="stable")[:count]]
    return found


def _batches(count: int) -> int:
    return -(-count // BATCH)
