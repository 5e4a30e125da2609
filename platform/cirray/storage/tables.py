"""Tables as the bytes of a parquet file, and back."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq


def table_bytes(table: pa.Table) -> bytes:
    """Return `table` as a parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def table_from(data: bytes, columns: list[str] | None = None, read_dictionary: list[str] | None = None) -> pa.Table:
    """Return the table of a parquet file.

    Not by `pyarrow.parquet.read_table`: that one leaves the file object to Arrow's I/O threads, and one of them that
    lets go of it while the interpreter ends aborts the whole process (one run in five on a busy machine).

    Args:
        data: the bytes of the file.
        columns: the columns that are wanted; all if not given.
        read_dictionary: columns whose repeated values are kept once.

    Raises:
        pyarrow.ArrowException, OSError, ValueError: it is no parquet file, or a damaged one.
    """
    return pq.ParquetFile(io.BytesIO(data), read_dictionary=read_dictionary).read(columns=columns)
