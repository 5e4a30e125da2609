"""Queries, galleries, and pictures to be classified, as vectors that can be ranked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cirray.datasets.pixels import PixelSource
from cirray.evaluation.candidates import Classes
from cirray.evaluation.model import RetrievalModel
from cirray.evaluation.queries import QuerySet
from cirray.evaluation.ranking import BLOCK_OF_PAIRS, RankingTask
from cirray.evaluation.scores import Scorer
from cirray.exact import Floats, Ints

BATCH = 512


def batches_of(count: int) -> int:
    """Return in how many batches so many pictures or queries are embedded."""
    return -(-count // BATCH)


def batches_of_sets(model: RetrievalModel, sets: Sequence[QuerySet]) -> int:
    """Return the batches in which query sets are embedded, and scored where the model has a scorer."""
    embedded = sum(batches_of(len(each.queries)) + batches_of(len(each.gallery)) for each in sets)
    return embedded + (sum(-(-len(each.queries) // BLOCK_OF_PAIRS) for each in sets) if model.scorer else 0)


@dataclass
class Embedder:
    """Embeds in batches, and tells how far it is.

    Attributes:
        model: that embeds.
        pixels: of all items, by the row of the item table.
        progress: called with (batches done, batches in all), a scorer's batches among them.
        total: batches in all.
        done: batches done.
    """

    model: RetrievalModel
    pixels: PixelSource
    progress: Callable[[int, int], None]
    total: int
    done: int = 0

    def task(self, query_set: QuerySet) -> RankingTask:
        """Return queries that look for their target in their gallery."""
        references, texts = query_set.references, [query.text for query in query_set.queries]
        return RankingTask(
            queries=self._encode(
                len(texts), lambda rows: self.model.compose_pixels(self.pixels[references[rows]], texts[rows])
            ),
            gallery=self.images(query_set.gallery),
            answers=[query.answers for query in query_set.queries],
            excluded=query_set.excluded,
            subsets=[query.subset for query in query_set.queries],
            scorer=self._scorer(),
            texts=texts,
        )

    def classification(self, classes: Classes) -> RankingTask:
        """Return pictures that look for their text, where retrieval has texts that look for their picture."""
        texts, height, width = list(classes.texts), *self.model.image_size
        # The texts are composed with nothing; a model that looks at references all the same sees them black.
        return RankingTask(
            queries=self.images(classes.pictures),
            gallery=self._encode(
                len(texts),
                lambda rows: self.model.compose_pixels(
                    np.zeros((len(texts[rows]), height, width, 3), dtype=np.uint8), texts[rows]
                ),
            ),
            answers=list(classes.answers[:, None]),
            excluded=np.full(len(classes.pictures), -1, dtype=np.int64),
        )

    def images(self, items: Ints) -> Floats:
        """Return the gallery vectors (N, D) of items, by their rows of the item table."""
        return self._encode(len(items), lambda rows: self.model.embed_pixels(self.pixels[items[rows]]))

    def _scorer(self) -> Scorer | None:
        score = self.model.scorer
        if score is None:
            return None

        def told(queries: Floats, texts: Sequence[str], gallery: Floats) -> Floats:
            scores = score(queries, texts, gallery)
            self._tell()
            return scores

        return told

    def _encode(self, count: int, encode: Callable[[slice], Floats]) -> Floats:
        encoded = []
        for start in range(0, count, BATCH):
            encoded.append(encode(slice(start, start + BATCH)))
            self._tell()
        return np.concatenate(encoded)

    def _tell(self) -> None:
        self.done += 1
        self.progress(self.done, self.total)
