"""Rankings of the test splits whose targets only a benchmark's server knows, in the files that it takes.

CIRR's server takes two JSON objects (Test-split_server.md of the dataset's repository): from the pair id to the names
of the first 50 pictures, or of the first 3 of the query's set, besides "version" and "metric". FashionIQ's challenge
takes for each category what its starter kit (start_kit/eval.py) writes: the list of the official caption file, to
each entry of which "ranking" adds the first 50 products.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.readers import cirr, fashioniq
from cirray.datasets.streaming import open_source
from cirray.errors import DataError
from cirray.evaluation.first_hits import Hits, first_hits
from cirray.evaluation.model import RetrievalModel
from cirray.evaluation.protocol import Protocol
from cirray.evaluation.queries import Query, QuerySet, query_sets

Triplet = Mapping[str, Any]
Answer = tuple[Triplet, Hits]

WITHOUT_TEXT = (
    {
        "query_id": "27098",
        "reference_id": "test1-252-3-img1",
        "texts": [],
        "subset_ids": [
            "test1-252-2-img1",
            "test1-252-2-img0",
            "test1-156-0-img0",
            "test1-920-1-img1",
            "test1-311-2-img0",
        ],
        "category": "",
    },
)
"""The pair of CIRR's test1 whose caption is empty: no dataset has it as a query, and yet the server counts it."""


@dataclass(frozen=True)
class _Format:
    """What a benchmark's server takes.

    Attributes:
        split: whose targets it knows.
        queries: how many the split has, by category ("" where there is but one): it takes all or none.
        files: from the answers to their files, by name.
        without_text: triplets among these that preparation rejects since they have no text.
    """

    split: str
    queries: Mapping[str, int]
    files: Callable[[list[Answer]], dict[str, Any]]
    without_text: Sequence[Triplet] = field(default=())


def submission_files(
    model: RetrievalModel,
    dataset: PreparedDataset,
    protocol: Protocol,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, bytes]:
    """Return the files to be sent to the server of a dataset's benchmark, by their names.

    Equal scores rank by item id. Whether the reference is left out of the ranking is for the protocol to say: "cirr"
    leaves it out, the challenge's "fashioniq-a" does not. CIRR's test1 has a pair with an empty caption: it gets the
    pictures that are most like its reference.

    Args:
        model: that ranks.
        dataset: prepared from CIRR or FashionIQ, the split with hidden targets among its splits.
        protocol: how the queries are put; one that joins the texts of a pair, to each of which belongs one ranking.
        progress: called with (batches done, batches in all).

    Raises:
        ArtifactError: the dataset lacks that split.
        DataError: there is no server for such datasets, or the protocol or the dataset gives not one ranking a pair.
    """
    wanted = _format(dataset)
    if protocol.joiner is None or protocol.candidates is not None:
        raise DataError(
            f"Protocol {protocol.name!r} does not give one ranking for each pair.",
            hint="Take the one of the dataset, by naming none.",
        )
    triplets = dataset.triplets(wanted.split).to_pylist()
    ids = dataset.items["item_id"].to_pylist()
    textless = [triplet for triplet in wanted.without_text if triplet["reference_id"] in set(ids)]
    _check_complete(dataset, wanted, [triplet["category"] for triplet in [*triplets, *textless]])
    if protocol.by_category == "galleries":
        # The sets come by category; the triplets of each are in their own order, which a stable sort keeps.
        triplets.sort(key=lambda triplet: str(triplet["category"]))
    sets = query_sets(dataset, wanted.split, protocol, without_targets=True)
    alone = QuerySet([_alone(triplet, ids, sets[0], protocol) for triplet in textless], sets[0].gallery)
    with closing(open_source(dataset, model.image_size, fit=model.image_fit)) as pixels:
        hits = first_hits(model, pixels, ids, sets, alone, progress)
    answers = zip([*triplets, *textless], hits, strict=True)
    return {name: _json(content) for name, content in wanted.files(list(answers)).items()}


def _format(dataset: PreparedDataset) -> _Format:
    try:
        return _FORMATS[dataset.reader]
    except KeyError:
        raise DataError(
            f"Dataset {dataset.name!r} was read by {dataset.reader!r}; servers with hidden targets are known for: "
            f"{', '.join(_FORMATS)}.",
            hint="Where the targets are public, use `cirray evaluate`.",
        ) from None


def _check_complete(dataset: PreparedDataset, wanted: _Format, categories: Sequence[str]) -> None:
    """Make sure that no query was rejected: an answer for each is what the servers take."""
    for category in sorted(set(categories)):
        known, found = wanted.queries.get(category, 0), categories.count(category)
        if found != known:
            of = f" of category {category!r}" if category else ""
            raise DataError(
                f"Split {wanted.split!r} of dataset {dataset.name!r} has {found:,} queries{of}, where the benchmark "
                f"has {known:,}, and its server takes an answer to each.",
                hint="rejects.parquet of the dataset says what is missing.",
            )


def _alone(triplet: Triplet, ids: list[str], query_set: QuerySet, protocol: Protocol) -> Query:
    """Return the query of a triplet without text, over the gallery of `query_set`."""
    position = {ids[row]: position for position, row in enumerate(query_set.gallery.tolist())}
    reference, none = triplet["reference_id"], np.empty(0, dtype=np.int64)
    subset = np.array(sorted(position[name] for name in triplet["subset_ids"] if name in position), dtype=np.int64)
    excluded = position.get(reference, -1) if protocol.exclude_reference else -1
    row, number = ids.index(reference), triplet["query_id"]
    return Query(row, "", triplet["category"], none, none, subset, excluded, number, target_id="")


def _cirr_files(answers: list[Answer]) -> dict[str, Any]:
    def file(metric: str, found: Callable[[Hits], list[str]]) -> dict[str, Any]:
        by_pair = {triplet["query_id"]: found(hits) for triplet, hits in answers}
        return {"version": "rc2", "metric": metric, **by_pair}

    return {
        "test1_pred_ranks_recall.json": file("recall", lambda hits: hits.of_gallery),
        "test1_pred_ranks_recall_subset.json": file("recall_subset", lambda hits: hits.of_subset),
    }


def _fashioniq_files(answers: list[Answer]) -> dict[str, Any]:
    files: dict[str, list[dict[str, Any]]] = {}
    for triplet, hits in answers:
        entry = {
            "candidate": _product(triplet["reference_id"]),
            "captions": _two(triplet["texts"]),
            "ranking": [_product(item_id) for item_id in hits.of_gallery],
        }
        files.setdefault(f"{triplet['category']}.test.pred.json", []).append(entry)
    return files


def _product(item_id: str) -> str:
    return item_id.partition("/")[2]


def _two(captions: list[str]) -> list[str]:
    """Return the two captions of a pair: the reader leaves empty ones out; the test split has one, a first."""
    return [*[""] * (2 - len(captions)), *captions]


def _json(content: Any) -> bytes:
    # Without spaces: CIRR's server takes 5 MB, and this way 4,148 times 50 names are 4 MB.
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


_FORMATS = {
    cirr.READER: _Format(cirr.HIDDEN, {"": 4148}, _cirr_files, WITHOUT_TEXT),
    fashioniq.READER: _Format(fashioniq.HIDDEN, {"dress": 2024, "shirt": 2038, "toptee": 2056}, _fashioniq_files),
}
