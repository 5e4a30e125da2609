"""From a model and a prepared split to its metrics under a protocol."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.streaming import open_source
from cirray.errors import ConfigError
from cirray.evaluation.candidates import Classes, classes_of
from cirray.evaluation.embedding import Embedder, batches_of, batches_of_sets
from cirray.evaluation.intervals import Interval, bootstrap_intervals
from cirray.evaluation.model import RetrievalModel
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
from cirray.evaluation.queries import query_sets
from cirray.evaluation.ranking import answer_ranks, rank
from cirray.evaluation.recall import average_precisions_at


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
        ConfigError: the protocol classifies, and the model is a re-ranker.
        DataError: the split and the protocol do not go together.
    """
    if protocol.candidates is not None:
        check_judges(protocol, reranker=model.scorer is not None)
        return _classify(model, dataset, classes_of(dataset, split, protocol.candidates), split, protocol, progress)
    sets = query_sets(dataset, split, protocol)
    ids = np.array(dataset.items["item_id"].to_pylist(), dtype=object)
    tables = []
    with closing(open_source(dataset, model.image_size, fit=model.image_fit)) as pixels:
        embedder = Embedder(model, pixels, progress, batches_of_sets(model, sets))
        for query_set in sets:
            task = embedder.task(query_set)
            ranking = rank(task, max((HITS, *protocol.map_cutoffs)))
            several = answer_ranks(ranking.hits, [query.relevant for query in query_set.queries], task.excluded)
            precisions = average_precisions_at(several, protocol.map_cutoffs)
            tables.append(tabulate(query_set.rows(ids), task.answers, ranking, ids[query_set.gallery], precisions))
    return _evaluation(split, protocol, pa.concat_tables(tables), sum(len(each.gallery) for each in sets))


def count_queries(dataset: PreparedDataset, split: str, protocol: Protocol) -> int:
    """Return how many queries an evaluation would put, after making sure that the data is there for it.

    Raises:
        ArtifactError: the dataset has no such split.
        DataError: the split and the protocol do not go together.
    """
    if protocol.candidates is not None:
        return len(classes_of(dataset, split, protocol.candidates).pictures)
    return sum(len(each.queries) for each in query_sets(dataset, split, protocol))


def check_judges(protocol: Protocol, *, reranker: bool) -> None:
    """Make sure that a protocol can judge a model.

    Raises:
        ConfigError: the protocol classifies, and the model is a re-ranker.
    """
    if protocol.candidates is not None and reranker:
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
    total = batches_of(len(classes.pictures)) + batches_of(len(classes.texts))
    with closing(open_source(dataset, model.image_size, fit=model.image_fit)) as pixels:
        task = Embedder(model, pixels, progress, total).classification(classes)
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
