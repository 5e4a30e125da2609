"""Parts and what they came to, as they travel between processes: as plain values."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

import pyarrow as pa

from cirray.datasets.schema import HASHES, SOURCE_ITEMS
from cirray.errors import DataError, StorageError
from cirray.prepare.known import Earlier
from cirray.prepare.part import PartResult
from cirray.prepare.plan import Part
from cirray.prepare.rejects import Reject
from cirray.storage import FileEntry, FileStat, Location

RESULTS = pa.schema(
    [
        pa.field("number", pa.int64(), nullable=False),
        pa.field("entry", pa.string(), nullable=False),
        pa.field("rejects", pa.list_(pa.list_(pa.string())), nullable=False),
        pa.field("hashes", pa.binary(), nullable=False),
        pa.field("decoded", pa.int64(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("hint", pa.string(), nullable=False),
    ]
)
_NO_FAILURE = {"error": "", "message": "", "hint": ""}
_ERRORS = {kind.code: kind for kind in (DataError, StorageError)}
_FILES = ["path", "bytes", "modified_ns", "etag"]

Row = Mapping[str, Any]


def describe_part(part: Part, earlier: Earlier | None) -> dict[str, Any]:
    """Return all that a process has to know to make a part, as values of which Ray Data need not guess the types."""
    table = part.items
    for name, values in zip(_FILES, zip(*map(astuple, part.files), strict=True), strict=False):
        table = table.append_column(f"file_{name}", pa.array(values))
    files = [entry.model_dump(mode="json") for entry in earlier.files] if earlier else []
    return {
        "number": part.number,
        "items": _bytes(table),
        "earlier": json.dumps({"place": earlier.place.uri, "files": files} if earlier else None),
        "known": _bytes(earlier.hashes) if earlier else b"",
    }


def described_part(row: Row) -> tuple[Part, Earlier | None]:
    """Return what `describe_part` was given."""
    table = _table(row["items"])
    files = [FileStat(*values) for values in zip(*(table[f"file_{n}"].to_pylist() for n in _FILES), strict=True)]
    part = Part(row["number"], table.select(SOURCE_ITEMS.names), files, {})
    if (earlier := json.loads(row["earlier"])) is None:
        return part, None
    entries = [FileEntry.model_validate(entry) for entry in earlier["files"]]
    return part, Earlier(Location.parse(earlier["place"]), entries, _table(row["known"]).cast(HASHES))


def describe_result(result: PartResult) -> dict[str, Any]:
    """Return a row of schema `RESULTS`."""
    return {
        "number": result.number,
        "entry": result.entry.model_dump_json(),
        "rejects": [list(reject) for reject in result.rejects],
        "hashes": _bytes(result.hashes),
        "decoded": result.decoded,
        **_NO_FAILURE,
    }


def describe_failure(number: int, error: DataError | StorageError) -> dict[str, Any]:
    """Return the row of schema `RESULTS` that stands for an error."""
    failure = {"error": error.code, "message": error.args[0], "hint": error.hint}
    return {"number": number, "entry": "", "rejects": [], "hashes": b"", "decoded": 0, **failure}


def described_result(row: Row) -> PartResult:
    """Return what `describe_result` was given.

    Raises:
        DataError, StorageError: the row stands for one.
    """
    if row["error"]:
        raise _ERRORS[row["error"]](row["message"], hint=row["hint"])
    rejects = [Reject(*reject) for reject in row["rejects"]]
    entry, hashes = FileEntry.model_validate_json(row["entry"]), _table(row["hashes"]).cast(HASHES)
    return PartResult(row["number"], entry, rejects, hashes, row["decoded"])


def encoded(row: Row) -> dict[str, Any]:
    """Return a row with its bytes in base64, so that JSON can write it."""
    return {
        key: {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
        for key, value in row.items()
    }


def decoded(row: Row) -> dict[str, Any]:
    """Return what `encoded` was given."""
    return {
        key: base64.b64decode(value["base64"]) if isinstance(value, dict) else value for key, value in row.items()
    }


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _table(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()
