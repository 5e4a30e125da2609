"""From a model and a prepared split to its metrics under a protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol as Interface

import numpy as np

from cirray.datasets.fitting import Fit
from cirray.datasets.pictures import Pixels
from cirray.datasets.pixels import PixelSource
from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.streaming import open_source
from cirray.evaluation.protocol import Protocol
from cirray.evaluation.queries import Query, QuerySet, query_sets
from cirray.evaluation.ranking import Floats, RankingTask, answer_ranks, subset_ranks, target_ranks
from cirray.evaluation.recall import mean_average_precision_at, recall_at

BATCH = 512

Metrics = dict[str, float]


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
    """

    split: str
    protocol: str
    num_queries: int
    num_gallery: int
    metrics: Metrics
    categories: dict[str, Metrics] = field(default_factory=dict)


def evaluate(
    model: RetrievalModel,
    dataset: PreparedDataset,
    split: str,
    protocol: Protocol,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Return the metrics of `model` on all queries of `split`, every one of them ranked exactly.

    Args:
        model: to evaluate.
        dataset: prepared.
        split: whose queries.
        protocol: how they are put, against what, and what counts as found.
        progress: called with (batches done, batches in all).

    Raises:
        ArtifactError: the dataset has no such split.
        DataError: the split and the protocol do not go together.
    """
    sets = query_sets(dataset, split, protocol)
    apart = protocol.by_category != "no"
    found: dict[str, Metrics] = {}
    with closing(open_source(dataset, model.image_size, fit=model.image_fit)) as pixels:
        embedder = _Embedder(model, pixels, progress, _batches(sets))
        for query_set in sets:
            task = embedder.task(query_set)
            categories = [query.category if apart else "" for query in query_set.queries]
            for category in sorted(set(categories)):
                of = [number for number, other in enumerate(categories) if other == category]
                found[category] = _metrics(task, query_set.queries, of, protocol)
    return Evaluation(
        split,
        protocol.name,
        num_queries=sum(len(query_set.queries) for query_set in sets),
        num_gallery=sum(len(query_set.gallery) for query_set in sets),
        metrics=_mean(list(found.values())),
        categories=found if apart else {},
    )


def _metrics(task: RankingTask, queries: list[Query], of: list[int], protocol: Protocol) -> Metrics:
    """Return the metrics of the queries numbered `of`."""
    chosen = [queries[n] for n in of]
    part = RankingTask(task.queries[of], task.gallery, [query.answers for query in chosen], task.excluded[of])
    metrics = recall_at(target_ranks(part), protocol.cutoffs)
    if protocol.subset_cutoffs:
        metrics |= recall_at(subset_ranks(part, [q.subset for q in chosen]), protocol.subset_cutoffs, "R_subset")
    if protocol.map_cutoffs:
        several = RankingTask(part.queries, part.gallery, [query.relevant for query in chosen], part.excluded)
        metrics |= mean_average_precision_at(answer_ranks(several), protocol.map_cutoffs)
    return metrics | {"mean": float(np.mean([metrics[name] for name in protocol.headline]))}


def _mean(metrics: list[Metrics]) -> Metrics:
    return {name: float(np.mean([values[name] for values in metrics])) for name in metrics[0]}


def _batches(sets: list[QuerySet]) -> int:
    return sum(-(-count // BATCH) for each in sets for count in (len(each.queries), len(each.gallery)))


@dataclass
class _Embedder:
    """Embeds in batches, and tells how far it is."""

    model: RetrievalModel
    pixels: PixelSource
    progress: Callable[[int, int], None]
    total: int
    done: int = 0

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
        )

    def _encode(self, count: int, encode: Callable[[slice], Floats]) -> Floats:
        encoded = []
        for start in range(0, count, BATCH):
            encoded.append(encode(slice(start, start + BATCH)))
            self.done += 1
            self.progress(self.done, self.total)
        return np.concatenate(encoded)
