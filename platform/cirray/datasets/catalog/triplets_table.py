"""Triplets as a person has them: a table of who, which text, and whom."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from cirray.datasets.catalog.config import CatalogConfig
from cirray.datasets.catalog.table import read_rows
from cirray.datasets.reasons import NO_SPLIT, NOT_TEXT
from cirray.datasets.schema import triplets_table
from cirray.datasets.source import Source
from cirray.errors import DataError

REQUIRED = ("reference", "target")
OPTIONAL = ("query_id", "text", "texts", "split", "category")


def read_triplets(
    source: Source, path: str, config: CatalogConfig, split_of: Mapping[str, str]
) -> tuple[dict[str, pa.Table], list[dict[str, str]]]:
    """Return the triplets of a table by split, schema `TRIPLETS`, and its rejects.

    A row without a split is of its reference's; one without an id is called by its number.

    Args:
        source: where the table is.
        path: of the table.
        config: of the reader.
        split_of: of each item, where it has one.

    Raises:
        DataError: there is no such table, it cannot be read, or lacks a column.
        StorageError: it cannot be read.
    """
    table = read_rows(source, path, config, "triplet", REQUIRED, OPTIONAL, lists=("texts",))
    by_split: dict[str, list[dict[str, Any]]] = {}
    rejects = [{**reject, "id": ""} for reject in table.rejects]
    if not any(table.columns["text"]) and not any(table.columns["texts"]) and table.numbers:
        raise DataError(f"{source}/{path} has no texts.", hint="Give them in a column `text` or `texts`.")
    names = list(table.columns)
    for number, cells in zip(table.numbers, zip(*table.columns.values(), strict=True), strict=True):
        row = dict(zip(names, cells, strict=True))
        query_id = row["query_id"] or f"row-{number}"
        split = row["split"] or split_of.get(row["reference"], "")
        texts = _texts(row["text"], row["texts"])
        if texts is None:
            detail = f"row {number}: texts: no JSON list of texts: {row['texts'][:120]}"
            rejects.append({"kind": "triplet", "id": query_id, "reason": NOT_TEXT, "detail": detail})
        elif not split:
            detail = f"row {number}: reference {row['reference'][:120]}"
            rejects.append({"kind": "triplet", "id": query_id, "reason": NO_SPLIT, "detail": detail})
        else:
            by_split.setdefault(split, []).append(
                {
                    "query_id": query_id,
                    "reference_id": row["reference"],
                    "texts": texts,
                    "target_id": row["target"],
                    "category": row["category"],
                }
            )
    return {split: triplets_table(rows) for split, rows in by_split.items()}, rejects


def _texts(text: str, texts: str) -> list[str] | None:
    """Return the texts of one row; None if they are something else."""
    if not texts:
        return [text]
    try:
        values = json.loads(texts)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        return None
    # A surrogate that stands alone, which JSON can spell, is no character.
    return [value.encode("utf-8", errors="replace").decode() for value in values]
