"""Rows of official CSV files, each judged on its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from cirray.datasets.readers.files import text_of
from cirray.datasets.source import Source
from cirray.errors import DataError


def csv_rows(source: Source, path: str, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str] | None]]:
    """Yield (place, values by column) of each row of a CSV file with a header; None for a row that is too short.

    The place reads like "meta-data.csv:17". Rows that are empty lines are left out, further columns too.

    Raises:
        DataError: there is no such file, it lacks a column, or it is no CSV; the message names the line.
        StorageError: it cannot be read.
    """
    reader = csv.reader(io.StringIO(text_of(source, path), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in columns if name not in header]
        if missing:
            raise DataError(
                f"{source}/{path} lacks the columns {', '.join(missing)}; its first line has: "
                f"{', '.join(header)[:200] or 'nothing'}.",
                hint=f"It must have a header with {', '.join(columns)}.",
            )
        places = {name: header.index(name) for name in columns}
        longest = max(places.values())
        for row in reader:
            if row:
                values = {name: row[at].strip() for name, at in places.items()} if len(row) > longest else None
                yield f"{path}:{reader.line_num}", values
    except csv.Error as error:
        raise DataError(f"{source}/{path}, line {reader.line_num}, is not CSV: {error}.") from None


def unreadable(place: str) -> dict[str, Any]:
    """Return an item that preparation rejects, naming `place`: so a row that says nothing does not vanish."""
    return {"item_id": "", "path": place}
