"""The tables of a catalogue, CSV or parquet, as rows of text; each row that is none is a reject."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cirray.datasets.catalog.config import CatalogConfig
from cirray.datasets.catalog.csv_records import Flaw, Record, csv_records
from cirray.datasets.catalog.parquet_cells import parquet_columns
from cirray.datasets.reasons import BAD_ENCODING, MALFORMED_ROW, TEXT_TOO_LONG
from cirray.datasets.source import Source
from cirray.errors import DataError

MAX_CELL = 10_000
"""Characters that an id, a path or a caption may have; no text encoder reads as many."""

MAX_REJECTS = 1_000_000
"""Rows of one table that are kept as rejects. What has more is no table, and would be many times larger in memory."""

_SHOWN = 120
_NOT_TEXT = ("\x00", "\ufffd")


@dataclass(frozen=True)
class Rows:
    """What of a table could be read.

    Attributes:
        columns: the cells of each column, without the white space around them.
        numbers: of the rows: lines of a CSV, or rows of a parquet file, from 1.
        rejects: rows of schema `REJECTS`.
    """

    columns: dict[str, list[str]]
    numbers: list[int]
    rejects: list[dict[str, str]]


def read_rows(
    source: Source,
    path: str,
    config: CatalogConfig,
    kind: Literal["item", "triplet"],
    required: Sequence[str],
    optional: Sequence[str] = (),
    lists: Sequence[str] = (),
) -> Rows:
    """Return the rows of one table; of its columns, only those that are asked for.

    Args:
        source: where it is.
        path: of the table, relative to the source; what does not end in .parquet is CSV.
        config: encoding and delimiter.
        kind: of what a row stands for.
        required: columns that must be there; the first holds the ids by which rejects are called.
        optional: columns that are empty where they are missing.
        lists: columns that may hold lists of texts; they become JSON.

    Raises:
        DataError: there is no such table, it cannot be read, or lacks a column.
        StorageError: it cannot be read.
    """
    if path not in source:
        raise DataError(f"{source} has no file {path}.", hint="Give its path relative to the source.")
    data = source.read(path)
    if path.endswith(".parquet"):
        present, records = parquet_columns(data, f"{source}/{path}", [*required, *optional], lists)
    else:
        delimiter = "\t" if path.endswith(".tsv") else config.delimiter
        present, records = _csv_columns(data, config.encoding, delimiter)
    wanted = [*required, *(name for name in optional if name in present)]
    _check_header(f"{source}/{path}", present, required, wanted)
    places = [present.index(name) for name in wanted]
    rows = _sound(records, wanted, places, len(present), kind)
    missing = {name: [""] * len(rows.numbers) for name in optional if name not in present}
    return Rows(rows.columns | missing, rows.numbers, rows.rejects)


def _csv_columns(data: bytes, encoding: str, delimiter: str) -> tuple[list[str], Iterator[Record]]:
    """Return the header, and the records after it."""
    records = csv_records(data, encoding, delimiter)
    _, header = next(records, (0, Flaw(MALFORMED_ROW, "the file is empty")))
    return ([str(name).strip() for name in header] if isinstance(header, list) else []), records


def _check_header(table: str, present: Sequence[str], required: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [name for name in required if name not in present]
    if missing:
        listed = ", ".join(_short(name) for name in present[:50]) or "none"
        raise DataError(
            f"{_short(table)} lacks the columns {', '.join(missing)}; it has: {listed}.",
            hint="Check the reader's columns, delimiter and encoding.",
        )
    twice = [name for name in wanted if present.count(name) > 1]
    if twice:
        raise DataError(f"{_short(table)} has several columns called {', '.join(twice)}.", hint="Rename all but one.")


def _sound(records: Iterator[Record], wanted: Sequence[str], places: Sequence[int], width: int, kind: str) -> Rows:
    """Return the cells at `places` of each record of `width` cells that are all of use, and the others as rejects."""
    columns: list[list[str]] = [[] for _ in wanted]
    numbers: list[int] = []
    rejects: list[dict[str, str]] = []
    for number, record in records:
        if not isinstance(record, Flaw) and len(record) != width:
            record = Flaw(MALFORMED_ROW, f"{len(record)} cells, where the header has {width}")
        if len(rejects) >= MAX_REJECTS:
            raise DataError(
                f"More than {MAX_REJECTS:,} rows cannot be read; the last is {rejects[-1]['detail']}.",
                hint="Check that it is a table, and the reader's delimiter and encoding.",
            )
        if isinstance(record, Flaw):
            rejects.append(
                {"kind": kind, "id": "", "reason": record.reason, "detail": f"row {number}: {record.detail}"}
            )
            continue
        cells = [record[place] for place in places]
        flaw = next((found for name, cell in zip(wanted, cells, strict=True) if (found := _flaw(name, cell))), None)
        if flaw:
            named = cells[0] if isinstance(cells[0], str) else ""
            detail = f"row {number}: {flaw.detail}"
            rejects.append({"kind": kind, "id": _short(named), "reason": flaw.reason, "detail": detail})
            continue
        numbers.append(number)
        for column, cell in zip(columns, cells, strict=True):
            column.append(str(cell).strip())
    return Rows(dict(zip(wanted, columns, strict=True)), numbers, rejects)


def _flaw(column: str, cell: str | Flaw) -> Flaw | None:
    if isinstance(cell, Flaw):
        return Flaw(cell.reason, f"{column}: {cell.detail}")
    if len(cell) > MAX_CELL:
        return Flaw(TEXT_TOO_LONG, f"{column}: {len(cell):,} characters, where {MAX_CELL:,} are allowed")
    if any(character in cell for character in _NOT_TEXT):
        return Flaw(BAD_ENCODING, f"{column}: {_short(cell)!r}")
    return None


def _short(text: str) -> str:
    clean = text.replace("\x00", "\ufffd")
    return clean if len(clean) <= _SHOWN else f"{clean[:_SHOWN]}…"
