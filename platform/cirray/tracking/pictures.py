"""What a trained model retrieves for a few queries, for its run's page: drawn and not chosen, among few pictures."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pyarrow as pa

from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.streaming import open_source
from cirray.errors import ConfigError
from cirray.evaluation import Protocol, RetrievalModel, rank
from cirray.evaluation.cases import CASES, Section, evaluation_sections
from cirray.evaluation.embedding import Embedder, batches_of_sets
from cirray.evaluation.outcomes import HITS, tabulate
from cirray.evaluation.queries import Query, QuerySet, query_sets
from cirray.exact import Ints

GALLERY = 1000
"""Pictures among which a query looks for its target, at most."""

SEED = 0
"""The same for all runs, so that two pages of one split show the same queries."""


def retrieved(
    model: RetrievalModel, dataset: PreparedDataset, split: str, protocol: Protocol, gallery: int = GALLERY
) -> Section:
    """Return queries of a split with what a model retrieves for them.

    A gallery of more than `gallery` items is cut down to as many, drawn at random, besides the right answers and
    references of the queries that are shown: ranks are then better than in an evaluation, and the note says so.

    Args:
        model: that retrieves.
        dataset: prepared.
        split: whose queries.
        protocol: how they are put.
        gallery: items that each query is ranked over, about, at most.

    Raises:
        ConfigError: the protocol classifies, so that nothing is retrieved.
        DataError: the split has no queries with public targets, or no gallery.
    """
    if protocol.candidates is not None:
        raise ConfigError(
            f"Protocol {protocol.name!r} classifies pictures, and there is nothing to retrieve.",
            hint="`cirray evaluate` shows what it answers.",
        )
    sets = query_sets(dataset, split, protocol)
    draw = np.random.default_rng(SEED)
    chosen = _chosen(sets, draw)
    parts = [_cut(each, gallery, draw) for each in chosen]
    ids = np.array(dataset.items["item_id"].to_pylist(), dtype=object)
    tables = []
    # Decoded one by one: a cache of all the dataset's pictures would be filled for these few.
    with closing(open_source(dataset, model.image_size, "stream", fit=model.image_fit)) as pixels:
        embedder = Embedder(model, pixels, lambda done, total: None, batches_of_sets(model, parts))
        for part in parts:
            task = embedder.task(part)
            none = {f"mAP@{cutoff}": np.zeros(len(part.queries)) for cutoff in protocol.map_cutoffs}
            tables.append(tabulate(part.rows(ids), task.answers, rank(task, HITS), ids[part.gallery], none))
    count = sum(len(each.queries) for each in sets)
    sample = evaluation_sections(pa.concat_tables(tables), dataset)[0]
    return replace(sample, heading="Retrieved", note=_note(split, protocol, count, chosen, parts))


def _chosen(sets: list[QuerySet], draw: np.random.Generator) -> list[QuerySet]:
    """Return the query sets with a few queries of all, whatever a model finds for them."""
    places = [(number, place) for number, each in enumerate(sets) for place in range(len(each.queries))]
    rows = sorted(draw.choice(len(places), min(CASES, len(places)), replace=False).tolist())
    kept: dict[int, list[Query]] = {}
    for number, place in (places[row] for row in rows):
        kept.setdefault(number, []).append(sets[number].queries[place])
    return [QuerySet(queries, sets[number].gallery) for number, queries in kept.items()]


def _cut(query_set: QuerySet, limit: int, draw: np.random.Generator) -> QuerySet:
    """Return queries over a part of their gallery that has all that answers them and is left out for them."""
    size = len(query_set.gallery)
    if size <= limit:
        return query_set
    needed = [np.append(query.answers, query.excluded) for query in query_set.queries]
    must = np.unique(np.concatenate(needed))
    must = must[must >= 0]
    rest = np.setdiff1d(np.arange(size), must)
    drawn = draw.choice(rest, max(0, min(len(rest), limit - len(must))), replace=False)
    kept = np.sort(np.concatenate([must, drawn]))
    queries = [
        replace(
            query,
            answers=_moved(query.answers, kept),
            relevant=_moved(query.relevant, kept),
            subset=_moved(query.subset, kept),
            excluded=int(np.searchsorted(kept, query.excluded)) if query.excluded >= 0 else -1,
        )
        for query in query_set.queries
    ]
    return QuerySet(queries, query_set.gallery[kept])


def _moved(positions: Ints, kept: Ints) -> Ints:
    """Return where in the part the positions are that it has."""
    moved: Ints = np.searchsorted(kept, positions[np.isin(positions, kept)])
    return moved


def _note(split: str, protocol: Protocol, count: int, chosen: list[QuerySet], parts: list[QuerySet]) -> str:
    shown = sum(len(each.queries) for each in chosen)
    text = (
        f"{shown} of the {count:,} queries of split {split} under protocol {protocol.name}, drawn at random whatever "
        "is found for them; the same for every run. A green frame and ✓ mark right answers."
    )
    sizes = [(len(each.gallery), len(part.gallery)) for each, part in zip(chosen, parts, strict=True)]
    if cut := [pair for pair in sizes if pair[1] < pair[0]]:
        whole, looked = max(cut)
        text += (
            f" Ranked over {looked:,} of {whole:,} pictures, drawn at random besides the right answers: in the "
            "whole gallery right answers stand lower."
        )
    return text
