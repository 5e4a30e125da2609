"""The queries of a split as a protocol puts them, and what answers each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.schema import joined
from cirray.errors import DataError
from cirray.evaluation.protocol import Protocol
from cirray.exact import Ints


@dataclass(frozen=True)
class Query:
    """One query.

    Attributes:
        reference: row of the item table.
        text: of the change.
        category: of the query, or "".
        answers: gallery positions that count as found, ascending.
        relevant: gallery positions of all targets, ascending.
        subset: gallery positions among which the target must also be told apart, ascending.
        excluded: gallery position that is left out, or −1.
        query_id: of the triplet.
        target_id: of the triplet.
    """

    reference: int
    text: str
    category: str
    answers: Ints
    relevant: Ints
    subset: Ints
    excluded: int
    query_id: str
    target_id: str


@dataclass(frozen=True)
class QuerySet:
    """Queries over one gallery.

    Attributes:
        queries: in the order of the triplets.
        gallery: (G,) rows of the item table, ascending.
    """

    queries: list[Query]
    gallery: Ints

    @property
    def references(self) -> Ints:
        """Row of the item table of each query's reference."""
        return np.array([query.reference for query in self.queries], dtype=np.int64)

    @property
    def excluded(self) -> Ints:
        """Gallery position that each query leaves out, or −1."""
        return np.array([query.excluded for query in self.queries], dtype=np.int64)

    def rows(self, ids: npt.NDArray[np.object_]) -> list[dict[str, Any]]:
        """Return of each query what `OUTCOMES` tells of it before it is ranked, `ids` being those of all items."""
        return [
            {
                "query_id": query.query_id,
                "reference_id": ids[query.reference],
                "text": query.text,
                "target_id": query.target_id,
                "category": query.category,
            }
            for query in self.queries
        ]


def query_sets(
    dataset: PreparedDataset, split: str, protocol: Protocol, *, without_targets: bool = False
) -> list[QuerySet]:
    """Return the queries of a split with their gallery; one set a category where each has its own.

    Args:
        dataset: prepared.
        split: whose queries.
        protocol: how they are put.
        without_targets: whether a split will do whose targets are not public; its queries have no answers.

    Raises:
        ArtifactError: the dataset has no such split.
        DataError: the gallery is empty, the targets are not public, or a query has no category where one is needed.
    """
    triplets = dataset.triplets(split).to_pylist()
    if not triplets or not (without_targets or all(triplet["target_id"] for triplet in triplets)):
        raise DataError(
            f"Split {split!r} of dataset {dataset.name!r} has no queries with public targets.",
            hint=f"Splits are: {', '.join(dataset.splits)}. For a benchmark's server, use `cirray submit`.",
        )
    name = protocol.gallery.format(split=split)
    if protocol.by_category != "galleries":
        return [_Gallery(dataset, name, None, protocol).put(triplets)]
    categories = sorted({triplet["category"] for triplet in triplets})
    if "" in categories:
        raise DataError(
            f"Protocol {protocol.name!r} has a gallery for each category, and queries of split {split!r} have none.",
            hint="Take protocol 'standard'.",
        )
    return [
        _Gallery(dataset, name, category, protocol).put(t for t in triplets if t["category"] == category)
        for category in categories
    ]


@dataclass(frozen=True)
class _Gallery:
    """One gallery: the items of a name, perhaps of one category only."""

    dataset: PreparedDataset
    name: str
    category: str | None
    protocol: Protocol

    def put(self, triplets: Iterable[dict[str, Any]]) -> QuerySet:
        if not len(self.rows):
            of = f" of category {self.category!r}" if self.category else ""
            raise DataError(
                f"Dataset {self.dataset.name!r} has no gallery {self.name!r}{of}, which protocol "
                f"{self.protocol.name!r} needs.",
                hint="Take another protocol or split.",
            )
        return QuerySet([query for triplet in triplets for query in self._queries(triplet)], self.rows)

    def _queries(self, triplet: dict[str, Any]) -> list[Query]:
        texts = [text for text in triplet["texts"] if text.strip()]
        if self.protocol.joiner is not None:
            texts = [joined(texts, self.protocol.joiner)]
        reference, targets = triplet["reference_id"], [triplet["target_id"]] if triplet["target_id"] else []
        answers = self._answers(targets)
        relevant = self._answers([*targets, *triplet["other_target_ids"]]) if self.protocol.map_cutoffs else answers
        subset = self._positions(triplet["subset_ids"])
        excluded = self._position_of_id.get(reference, -1) if self.protocol.exclude_reference else -1
        row = self._row_of_id[reference]
        ids = triplet["query_id"], triplet["target_id"]
        return [Query(row, text, triplet["category"], answers, relevant, subset, excluded, *ids) for text in texts]

    def _answers(self, targets: Sequence[str]) -> Ints:
        if self.protocol.equality == "id":
            return self._positions(targets)
        labels = {self._labels[self._row_of_id[target]] for target in targets}
        found = [self._positions_of_label[label] for label in labels if label in self._positions_of_label]
        return np.sort(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)

    def _positions(self, ids: Iterable[str]) -> Ints:
        found = {self._position_of_id[item_id] for item_id in ids if item_id in self._position_of_id}
        return np.array(sorted(found), dtype=np.int64)

    @cached_property
    def rows(self) -> Ints:
        splits, categories = (self.dataset.items[name].to_pylist() for name in ("splits", "category"))
        chosen = (
            row
            for row, (names, category) in enumerate(zip(splits, categories, strict=True))
            if self.name in names and self.category in (None, category)
        )
        return np.fromiter(chosen, dtype=np.int64)

    @cached_property
    def _ids(self) -> list[str]:
        return list(self.dataset.items["item_id"].to_pylist())

    @cached_property
    def _labels(self) -> list[str]:
        return list(self.dataset.items["label"].to_pylist())

    @cached_property
    def _row_of_id(self) -> dict[str, int]:
        return {item_id: row for row, item_id in enumerate(self._ids)}

    @cached_property
    def _position_of_id(self) -> dict[str, int]:
        return {self._ids[row]: position for position, row in enumerate(self.rows.tolist())}

    @cached_property
    def _positions_of_label(self) -> dict[str, Ints]:
        found: dict[str, list[int]] = {}
        for position, row in enumerate(self.rows.tolist()):
            found.setdefault(self._labels[row], []).append(position)
        return {label: np.array(positions, dtype=np.int64) for label, positions in found.items()}
