"""Raw sources under a root: quick writing of many small files, and reading of their tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cirray.errors import DataError, StorageError
from cirray.storage import Location, table_from
from cirray.storage.location import replace_file

Progress = Callable[[int, int], None]
"""Called with (done, total) as work goes on."""

BATCH = 512
"""Files that are in memory and on their way at once."""

STORE_THREADS = 16
"""Simultaneous uploads: an object store answers slowly, but many at a time."""


def write_files(place: Location, files: Iterable[tuple[str, bytes]], wrote: Callable[[int], None]) -> None:
    """Write (relative path, content) pairs below `place`; `wrote` is called with how many were, batch by batch.

    In a folder the files are not forced to disk, which would take most of the time. Whoever writes a source must
    therefore end with a marker, and readers must look for it.

    Raises:
        StorageError: a file cannot be written.
    """
    remaining = iter(files)
    with ThreadPoolExecutor(STORE_THREADS) as pool:
        while batch := list(islice(remaining, BATCH)):
            if place.is_local:
                for path, data in batch:
                    _write_local(f"{place.path}/{path}", data)
            else:
                list(pool.map(lambda file: (place / file[0]).write(file[1]), batch))
            wrote(len(batch))


def read_table(place: Location, schema: pa.Schema) -> pa.Table:
    """Return the columns of `schema` of the parquet file at `place`; its other columns are left out.

    Empty cells become empty strings and lists, and empty values within a list are left out, so that each row can be
    judged on its own.

    Raises:
        DataError: it is no parquet file or a damaged one, or lacks a column, or has one of another type or twice.
        StorageError: it cannot be read.
    """
    data = place.read()
    try:
        table = table_from(data)
        names = table.column_names
        table.select([name for name in schema.names if names.count(name) == 1]).validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        # Damaged pages and headers come as OSError, although all bytes are in memory; bad UTF-8 as ValueError.
        raise DataError(f"{place} is not a readable parquet file: {error}.") from None
    missing = [name for name in schema.names if name not in names]
    if missing:
        raise DataError(
            f"{place} lacks the columns {', '.join(missing)}; it has: {', '.join(names) or 'none'}.",
            hint=f"Columns that it must have: {', '.join(schema.names)}.",
        )
    twice = [name for name in schema.names if names.count(name) > 1]
    if twice:
        raise DataError(
            f"{place} has more than one column of the name {', '.join(twice)}.", hint="Rename the others."
        )
    return pa.Table.from_arrays([_column(place, table, field) for field in schema], schema=schema)


def _column(place: Location, table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    try:
        column = table[field.name].cast(field.type)
    except pa.ArrowException:
        raise DataError(
            f"Column {field.name} of {place} is of type {table.schema.field(field.name).type}, where {field.type} "
            "was expected."
        ) from None
    if not pa.types.is_list(field.type):
        return column.fill_null("")
    # Arrow has no fill_null for lists.
    inner_nulls = any(pc.list_flatten(chunk).null_count for chunk in column.chunks)
    if not column.null_count and not inner_nulls:
        return column
    cells = [[value for value in cell or () if value is not None] for cell in column.to_pylist()]
    return pa.chunked_array([cells], field.type)


def _write_local(path: str, data: bytes) -> None:
    """Write a file in one step, so that nobody reads half of it; one with this content already stays as it is."""
    try:
        if os.path.exists(path) and Path(path).read_bytes() == data:
            return
        replace_file(path, data, durable=False)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}.",
            hint="Check that the path is right, that you may use it, and that there is room.",
        ) from error
