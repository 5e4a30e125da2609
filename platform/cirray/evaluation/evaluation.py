"""From a model and a prepared split to its metrics under a protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np

from cirray.datasets.pixels import PixelSource
from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.streaming import open_source
from cirray.errors import ConfigError
from cirray.evaluation.candidates import Classes, classes_of
from cirray.evaluation.model import RetrievalModel
from cirray.evaluation.protocol import Protocol
from cirray.evaluation.queries import Query, QuerySet, query_sets
from cirray.evaluation.ranking import (
    BLOCK_OF_PAIRS,
    Floats,
    RankingTask,
    Scorer,
    answer_ranks,
    subset_ranks,
    target_ranks,
)
from cirray.evaluation.recall import mean_average_precision_at, recall_at

BATCH = 512

Metrics = dict[str, float]


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

    A model with a scorer scores each pair of a query and a gallery item for itself: with Q queries and G items that
    takes Q · G scorings, where others take Q + G encodings, and as many again for each further kind of metrics (in a
    query's subset, over all its targets).

    Args:
        model: to evaluate.
        dataset: prepared.
        split: whose queries.
        protocol: how they are put, against what, and what counts as found.
        progress: called with (batches done, batches in all), a scorer's batches among them.

    Raises:
        ArtifactError: the dataset has no such split.
        ConfigError: the protocol classifies, and the model is a re-ranker.
        DataError: the split and the protocol do not go together.
    """
    if protocol.candidates is not None:
        _check_classifies(model, protocol)
        return _classify(model, dataset, classes_of(dataset, split, protocol.candidates), split, protocol, progress)
    sets = query_sets(dataset, split, protocol)
    found: dict[str, Metrics] = {}
    with closing(open_source(dataset, model.image_size, fit=model.image_fit)) as pixels:
        total = _batches(sets) + (_scored_batches(sets, protocol) if model.scorer else 0)
        embedder = _Embedder(model, pixels, progress, total)
        for query_set in sets:
            task = embedder.task(query_set)
            for category, of in _groups(query_set, protocol).items():
                found[category] = _metrics(task, query_set.queries, of, protocol)
    return Evaluation(
        split,
        protocol.name,
        num_queries=sum(len(query_set.queries) for query_set in sets),
        num_gallery=sum(len(query_set.gallery) for query_set in sets),
        metrics=_mean(list(found.values())),
        categories=found if protocol.by_category != "no" else {},
    )


def _groups(query_set: QuerySet, protocol: Protocol) -> dict[str, list[int]]:
    """Return the numbers of the queries that have metrics of their own together, by category."""
    groups: dict[str, list[int]] = {}
    for number, query in enumerate(query_set.queries):
        groups.setdefault(query.category if protocol.by_category != "no" else "", []).append(number)
    return dict(sorted(groups.items()))


def _metrics(task: RankingTask, queries: list[Query], of: list[int], protocol: Protocol) -> Metrics:
    """Return the metrics of the queries numbered `of`."""
    chosen = [queries[n] for n in of]
    part = task.part(of)
    metrics = recall_at(target_ranks(part), protocol.cutoffs)
    if protocol.subset_cutoffs:
        metrics |= recall_at(subset_ranks(part, [q.subset for q in chosen]), protocol.subset_cutoffs, "R_subset")
    if protocol.map_cutoffs:
        several = replace(part, answers=[query.relevant for query in chosen])
        metrics |= mean_average_precision_at(answer_ranks(several), protocol.map_cutoffs)
    return metrics | {"mean": float(np.mean([metrics[name] for name in protocol.headline]))}


def _mean(metrics: list[Metrics]) -> Metrics:
    return {name: float(np.mean([values[name] for values in metrics])) for name in metrics[0]}


def _check_classifies(model: RetrievalModel, protocol: Protocol) -> None:
    if model.scorer is not None:
        raise ConfigError(
            f"Protocol {protocol.name!r} compares each picture with every text by vectors alone, and the model is a "
            "re-ranker: it scores a query, with its text, against gallery items.",
            hint="Take a protocol of retrieval, such as 'standard', or a model with another composer.",
        )


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
    metrics = recall_at(target_ranks(task), protocol.cutoffs, "accuracy")
    return Evaluation(
        split,
        protocol.name,
        num_queries=len(classes.pictures),
        num_gallery=len(classes.texts),
        metrics=metrics | {"mean": float(np.mean([metrics[name] for name in protocol.headline]))},
    )


def _batches(sets: list[QuerySet]) -> int:
    return sum(-(-count // BATCH) for each in sets for count in (len(each.queries), len(each.gallery)))


def _scored_batches(sets: list[QuerySet], protocol: Protocol) -> int:
    kinds = 1 + bool(protocol.subset_cutoffs) + bool(protocol.map_cutoffs)
    sizes = (len(of) for each in sets for of in _groups(each, protocol).values())
    return kinds * sum(-(-size // BLOCK_OF_PAIRS) for size in sizes)


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
