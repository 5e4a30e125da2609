"""From a model and a prepared split to its metrics under a protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol as Interface

import numpy as np
import pyarrow as pa

from cirray.datasets.fitting import Fit
from cirray.datasets.pictures import Pixels
from cirray.datasets.pixels import PixelSource
from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.streaming import open_source
from cirray.evaluation.candidates import Classes, classes_of
from cirray.evaluation.exact import Floats
from cirray.evaluation.intervals import Interval, bootstrap_intervals
from cirray.evaluation.outcomes import (
    HITS,
    OUTCOMES,
    Metrics,
    groups_of,
    mean_metrics,
    metrics_of,
    outcome_values,
    tabulate,
)
from cirray.evaluation.protocol import Protocol
from cirray.evaluation.queries import QuerySet, query_sets
from cirray.evaluation.ranking import BLOCK_OF_PAIRS, RankingTask, answer_ranks, rank
from cirray.evaluation.recall import average_precisions_at
from cirray.evaluation.scores import Scorer

BATCH = 512


class RetrievalModel(Interface):
    """What evaluation needs of a model."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of its pictures."""
        ...

    @property
    def image_fit(self) -> Fit:
        """How its pictures are brought to that size."""
        ...

    def embed_pixels(self, pixels: Pixels) -> Floats:
        """Return the gallery vectors (N, D), unit length, of `pixels` (N, H, W, 3)."""
        ...

    def compose_pixels(self, pixels: Pixels, texts: Sequence[str]) -> Floats:
        """Return the queries (N, D), unit length."""
        ...

    @property
    def scorer(self) -> Scorer | None:
        """What scores queries, their texts and gallery vectors, where it is not their dot product."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one model on one split under one protocol.

    Attributes:
        split: which.
        protocol: name of the protocol.
        num_queries: how many queries.
        num_gallery: how many gallery items, over all galleries.
        metrics: in percent, by name ("R@1"), and under "mean" the protocol's headline; means over the categories
            where there are some.
        categories: the same for each category; empty where the protocol does not tell them apart.
        intervals: 95 % interval of each metric, by the bootstrap over queries.
        outcomes: what each query came to, schema `OUTCOMES`.
    """

    split: str
    protocol: str
    num_queries: int
    num_gallery: int
    metrics: Metrics
    categories: dict[str, Metrics] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)
    outcomes: pa.Table = field(default_factory=OUTCOMES.empty_table)


def evaluate(
    model: RetrievalModel,
    dataset: PreparedDataset,
    split: str,
    protocol: Protocol,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Return the metrics of `model` on all queries of `split`, every one of them ranked exactly.

    A model with a scorer scores each pair of a query and a gallery item for itself: with Q queries and G items that
    takes Q · G scorings, where others take Q + G encodings.

    Args:
        model: to evaluate.
        dataset: prepared.
        split: whose queries.
        protocol: how they are put, against what, and what counts as found.
        progress: called with (batches done, batches in all), a scorer's batches among them.

    Raises:
        ArtifactError: the dataset has no such split.
        DataError: the split and the protocol do not go together.
    """
    if protocol.candidates is not None:
        return _classify(model, dataset, classes_of(dataset, split, protocol.candidates), split, protocol, progress)
    sets = query_sets(dataset, split, protocol)
    ids = np.array(dataset.items["item_id"].to_pylist(), dtype=object)
    tables = []
    with closing(open_source(dataset, model.image_size, fit=model.image_fit)) as pixels:
        embedder = _Embedder(model, pixels, progress, _batches(sets) + (_scored_batches(sets) if model.scorer else 0))
        for query_set in sets:
            task = embedder.task(query_set)
            ranking = rank(task, max((HITS, *protocol.map_cutoffs)))
            several = answer_ranks(ranking.hits, [query.relevant for query in query_set.queries], task.excluded)
            precisions = average_precisions_at(several, protocol.map_cutoffs)
            tables.append(tabulate(query_set.rows(ids), task.answers, ranking, ids[query_set.gallery], precisions))
    return _evaluation(split, protocol, pa.concat_tables(tables), sum(len(each.gallery) for each in sets))


def _classify(
    model: RetrievalModel,
    dataset: PreparedDataset,
    classes: Classes,
    split: str,
    protocol: Protocol,
    progress: Callable[[int, int], None],
) -> Evaluation:
    """Return how often a picture's own text is the nearest of all, or among the nearest k."""
    total = sum(-(-len(each) // BATCH) for each in (classes.pictures, classes.texts))
    with closing(open_source(dataset, model.image_size, fit=model.image_fit)) as pixels:
        task = _Embedder(model, pixels, progress, total).classification(classes)
    ids = np.array(dataset.items["item_id"].to_pylist(), dtype=object)
    texts = np.array(classes.texts, dtype=object)
    rows = [
        {"query_id": ids[picture], "reference_id": ids[picture], "text": texts[answer]}
        for picture, answer in zip(classes.pictures, classes.answers, strict=True)
    ]
    outcomes = tabulate(rows, task.answers, rank(task, HITS), texts, {})
    return _evaluation(split, protocol, outcomes, len(classes.texts))


def _evaluation(split: str, protocol: Protocol, outcomes: pa.Table, num_gallery: int) -> Evaluation:
    values, groups = outcome_values(outcomes, protocol), groups_of(outcomes, protocol)
    found = {category: metrics_of(values, rows) for category, rows in groups.items()}
    return Evaluation(
        split,
        protocol.name,
        num_queries=outcomes.num_rows,
        num_gallery=num_gallery,
        metrics=mean_metrics(list(found.values())),
        categories=found if protocol.by_category != "no" else {},
        intervals=bootstrap_intervals(values, list(groups.values())),
        outcomes=outcomes,
    )


def _batches(sets: list[QuerySet]) -> int:
    return sum(-(-count // BATCH) for each in sets for count in (len(each.queries), len(each.gallery)))


def _scored_batches(sets: list[QuerySet]) -> int:
    return sum(-(-len(each.queries) // BLOCK_OF_PAIRS) for each in sets)


@dataclass
class _Embedder:
    """Embeds in batches, and tells how far it is."""

    model: RetrievalModel
    pixels: PixelSource
    progress: Callable[[int, int], None]
    total: int
    done: int = 0

    def classification(self, classes: Classes) -> RankingTask:
        """Return pictures that look for their text, where retrieval has texts that look for their picture."""
        texts, height, width = list(classes.texts), *self.model.image_size
        # The texts are composed with nothing; a model that looks at references all the same sees them black.
        return RankingTask(
            queries=self._encode(
                len(classes.pictures), lambda rows: self.model.embed_pixels(self.pixels[classes.pictures[rows]])
            ),
            gallery=self._encode(
                len(texts),
                lambda rows: self.model.compose_pixels(
                    np.zeros((len(texts[rows]), height, width, 3), dtype=np.uint8), texts[rows]
                ),
            ),
            answers=list(classes.answers[:, None]),
            excluded=np.full(len(classes.pictures), -1, dtype=np.int64),
        )

    def task(self, query_set: QuerySet) -> RankingTask:
        references, gallery = query_set.references, query_set.gallery
        texts = [query.text for query in query_set.queries]
        return RankingTask(
            queries=self._encode(
                len(texts), lambda rows: self.model.compose_pixels(self.pixels[references[rows]], texts[rows])
            ),
            gallery=self._encode(len(gallery), lambda rows: self.model.embed_pixels(self.pixels[gallery[rows]])),
            answers=[query.answers for query in query_set.queries],
            excluded=query_set.excluded,
            subsets=[query.subset for query in query_set.queries],
            scorer=self._scorer(),
            texts=texts,
        )

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
