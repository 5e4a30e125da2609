"""The cells of a parquet file as texts, whatever the types of its columns."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cirray.datasets.catalog.csv_records import Cell, Flaw, Record
from cirray.datasets.reasons import NOT_TEXT
from cirray.errors import DataError
from cirray.storage import table_from

MAX_ROWS = 20_000_000
"""Rows of one table; a file of a few bytes can promise far more than memory holds."""

MAX_BYTES = 8 << 30
"""Bytes of its columns, not compressed."""


def parquet_columns(
    data: bytes, name: str, wanted: Sequence[str], lists: Sequence[str] = ()
) -> tuple[list[str], Iterator[Record]]:
    """Return those of the `wanted` columns that a parquet file has, and its rows, numbered from 1.

    Numbers and dates become their text, whole floating-point numbers that of an integer (an id column with a gap
    is often one), lists of texts JSON; what is null is empty. Columns that are not wanted, such as pictures, are not
    read.

    Args:
        data: the file.
        name: of the file, for messages.
        wanted: names of columns.
        lists: those of them that may hold lists of texts.

    Raises:
        DataError: it is no parquet file, or too large.
    """
    try:
        with pq.ParquetFile(io.BytesIO(data)) as file:
            present = [column for column in file.schema_arrow.names if column in wanted]
            # A nested column has its values under names of their own, and none under this one.
            flat = [field.name for field in file.schema_arrow if not pa.types.is_nested(field.type)]
            _check_size(file.metadata, name)
        if len(set(present)) < len(present):
            return present, iter(())
        # A text that comes again and again is kept once.
        table = table_from(data, present, read_dictionary=[name for name in present if name in flat])
        cells = [
            [cell for chunk in table[column].chunks for cell in _cells(chunk, column in lists)] for column in present
        ]
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError) as error:
        raise DataError(f"{name} is not a readable parquet file: {_first_line(error)}.") from None
    return present, ((number, list(row)) for number, row in enumerate(zip(*cells, strict=True), 1))


def _check_size(metadata: pq.FileMetaData, name: str) -> None:
    if metadata.num_rows > MAX_ROWS:
        raise DataError(f"{name} has {metadata.num_rows:,} rows; at most {MAX_ROWS:,} are allowed.", hint="Split it.")
    # Of the groups, not of their columns: Arrow ends the whole process over a damaged description of a column.
    total = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    if total > MAX_BYTES:
        raise DataError(f"{name} has {total:,} bytes unpacked; at most {MAX_BYTES:,} are allowed.", hint="Split it.")


def _cells(array: pa.Array, lists: bool = False) -> list[Cell]:
    if pa.types.is_dictionary(array.type):
        values = _cells(array.dictionary)
        places = array.indices.to_pylist()
        if any(place is not None and not 0 <= place < len(values) for place in places):
            # A damaged file; Arrow reads it without a word.
            raise IndexError("a cell refers to a text that the file does not hold")
        return ["" if place is None else values[place] for place in places]
    if _is_text(array.type):
        return _texts(array)
    if pa.types.is_null(array.type):
        return [""] * len(array)
    if pa.types.is_floating(array.type):
        return [_number(value) for value in array.to_pylist()]
    if lists and _is_list(array.type) and _is_text(array.type.value_type):
        return [_list(array[row]) for row in range(len(array))]
    if not pa.types.is_nested(array.type) and not _is_bytes(array.type):
        try:
            return ["" if value is None else value for value in array.cast(pa.string()).to_pylist()]
        except (pa.ArrowException, ValueError):
            pass
    flaw = Flaw(NOT_TEXT, f"a {str(array.type)[:80]}")
    return [flaw if valid else "" for valid in array.is_valid().to_pylist()]


def _texts(array: pa.Array) -> list[Cell]:
    try:
        return ["" if value is None else value for value in array.to_pylist()]
    except UnicodeDecodeError:
        # Parquet only promises UTF-8; the checks of rows find the character that stands for what is not.
        raw = array.cast(pa.large_binary()).to_pylist()
        return ["" if value is None else value.decode("utf-8", errors="replace") for value in raw]


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return ""
    return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)


def _list(cell: Any) -> Cell:
    if not cell.is_valid:
        return ""
    try:
        return json.dumps(["" if value is None else value for value in cell.as_py()], ensure_ascii=False)
    except UnicodeDecodeError:
        return "\ufffd"


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(test(kind) for test in tests)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
