"""Raw sources under a root: quick writing of many small files, and reading of their tables."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq

from cirray.errors import DataError, StorageError
from cirray.storage import Location

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
    folders: set[str] = set()
    with ThreadPoolExecutor(STORE_THREADS) as pool:
        while batch := list(islice(remaining, BATCH)):
            if place.is_local:
                for path, data in batch:
                    _write_local(f"{place.path}/{path}", data, folders)
            else:
                list(pool.map(lambda file: (place / file[0]).write(file[1]), batch))
            wrote(len(batch))


def table_bytes(table: pa.Table) -> bytes:
    """Return `table` as a parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def read_table(place: Location, schema: pa.Schema) -> pa.Table:
    """Return the columns of `schema` of the parquet file at `place`; its other columns are left out.

    Empty cells become empty strings and lists, so that each row can be judged on its own.

    Raises:
        DataError: it is no parquet file, or lacks a column, or has one of another type.
        StorageError: it cannot be read.
    """
    try:
        table = pq.read_table(io.BytesIO(place.read()))
    except pa.ArrowInvalid as error:
        raise DataError(f"{place} is not a readable parquet file: {error}.") from None
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise DataError(
            f"{place} lacks the columns {', '.join(missing)}; it has: {', '.join(table.column_names) or 'none'}.",
            hint=f"Columns that it must have: {', '.join(schema.names)}.",
        )
    return pa.Table.from_arrays([_column(place, table, field) for field in schema], schema=schema)


def _column(place: Location, table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    try:
        column = table[field.name].cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataError(
            f"Column {field.name} of {place} is of type {table.schema.field(field.name).type}, where {field.type} "
            "was expected."
        ) from None
    empty: object = [] if pa.types.is_list(field.type) else ""
    # Arrow has no fill_null for lists.
    return (
        column
        if column.null_count == 0
        else pa.chunked_array([[empty if v is None else v for v in column.to_pylist()]], field.type)
    )


def _write_local(path: str, data: bytes, folders: set[str]) -> None:
    folder = os.path.dirname(path)
    try:
        if folder not in folders:
            os.makedirs(folder, exist_ok=True)
            folders.add(folder)
        with open(path, "wb") as stream:
            stream.write(data)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}.",
            hint="Check that the path is right, that you may use it, and that there is room.",
        ) from error
