"""The parts of the item table, by Ray Data. Ray is imported only when there is work for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, replace
from functools import partial
from typing import Any

import pyarrow as pa

from cirray.cluster import ray_cluster
from cirray.datasets.schema import HASHES, SOURCE_ITEMS
from cirray.errors import ClusterError, DataError, StorageError
from cirray.prepare.allocation import keep_freed_memory
from cirray.prepare.config import PrepareConfig
from cirray.prepare.part import PartResult, prepare_part, thin_part
from cirray.prepare.plan import Part
from cirray.prepare.rejects import Reject
from cirray.storage import FileEntry, FileStat, Location

NO_PROGRESS_TIMEOUT_S = 600
"""Ray Data gives up after this long without a finished part; its own default is half an hour.

This is also what ends it where a file kills the worker that decodes it: Ray Data begins such a part anew for ever.
"""

_RESULTS = pa.schema(
    [
        pa.field("number", pa.int64(), nullable=False),
        pa.field("entry", pa.string(), nullable=False),
        pa.field("rejects", pa.list_(pa.list_(pa.string())), nullable=False),
        pa.field("hashes", pa.binary(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("hint", pa.string(), nullable=False),
    ]
)
_NO_FAILURE = {"error": "", "message": "", "hint": ""}
_ERRORS = {kind.code: kind for kind in (DataError, StorageError)}
_FILES = ["path", "bytes", "modified_ns", "etag"]


def prepare_parts(
    parts: Sequence[Part],
    source: Location,
    target: Location,
    config: PrepareConfig,
    finished: Callable[[int], None] = lambda items: None,
) -> list[PartResult]:
    """Write parts of the item table to `target`, one task of Ray Data a part, and return what they came to.

    Ray is started on this machine where none is connected. Each task holds one part in memory; to this process come
    only hashes and rejects.

    Args:
        parts: to be made.
        source: what the paths of the items are relative to.
        target: place of the artifact.
        config: of the preparation.
        finished: called with the number of items of each part that is done.

    Raises:
        ClusterError: the workers died of it, or made no progress.
        DataError: a file has changed since the source was listed.
        StorageError: something cannot be read or written.
    """
    sizes = {part.number: part.items.num_rows for part in parts}
    # The largest first, so that at the end no core waits long for another.
    described = [_describe(part) for part in sorted(parts, key=_bytes_of, reverse=True)]
    task = partial(_prepare, source=source, target=target, config=config)
    return _results(described, task, lambda number: finished(sizes[number]))


def thin_parts(
    results: Sequence[PartResult], dropped: set[str], target: Location, config: PrepareConfig
) -> list[PartResult]:
    """Write parts again without the items that are `dropped`, one task of Ray Data a part.

    Raises:
        StorageError: something cannot be read or written.
    """
    rows = []
    for result in results:
        mine = sorted(dropped.intersection(result.hashes["item_id"].to_pylist()))
        entry = result.entry.model_dump_json()
        rows.append({"number": result.number, "entry": entry, "dropped": json.dumps(mine)})
    thinned = _results(rows, partial(_thin, target=target, config=config), lambda number: None)
    before = {result.number: result for result in results}
    return [replace(before[result.number], entry=result.entry) for result in thinned]


def _results(
    rows: list[dict[str, Any]], task: Callable[[Mapping[str, Any]], dict[str, Any]], done: Callable[[int], None]
) -> list[PartResult]:
    if not rows:
        return []
    results = []
    with ray_cluster(), closing(_run_in_ray(rows, partial(_run, task=task))) as found:
        for row in found:
            results.append(_result(row))
            done(results[-1].number)
    return sorted(results, key=lambda result: result.number)


def _run_in_ray(
    rows: list[dict[str, Any]], task: Callable[[pa.Table], pa.Table]
) -> Generator[Mapping[str, Any], None, None]:
    """Yield what `task` makes of each row, as it comes.

    Raises:
        ClusterError: the workers died of it, or made no progress.
    """
    import ray.data
    from ray.data.exceptions import ExecutionTimeoutError
    from ray.exceptions import RayError

    # One block a part, so that each is a task of its own wherever there is a free CPU.
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        task, batch_size=1, batch_format="pyarrow"
    )
    # The dataset's own copy of the context: what else runs in this process keeps its own.
    dataset.context.enable_progress_bars = False
    dataset.context.print_on_execution_start = False
    dataset.context.execution_no_progress_timeout_s = NO_PROGRESS_TIMEOUT_S
    # With a share reserved for each operator, Ray Data hands out one part at a time on a machine of two cores;
    # without, Ray itself starts a part wherever a CPU is free.
    dataset.context.op_resource_reservation_enabled = False
    try:
        yield from dataset.iter_rows()
    except (RayError, ExecutionTimeoutError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ClusterError(
            f"Ray did not finish the parts of the item table: {type(error).__name__}: {reason}",
            hint="Look into Ray's logs of the workers. Where one ran out of memory, set part_rows lower.",
        ) from error


def _run(batch: pa.Table, task: Callable[[Mapping[str, Any]], dict[str, Any]]) -> pa.Table:
    keep_freed_memory()
    rows = []
    for row in batch.to_pylist():
        try:
            rows.append(task(row))
        except (DataError, StorageError) as error:
            # As a value: raised, it would come out of Ray Data with advice on retries in its message.
            failure = {"error": error.code, "message": error.args[0], "hint": error.hint}
            rows.append({"number": row["number"], "entry": "", "rejects": [], "hashes": b"", **failure})
    return pa.Table.from_pylist(rows, schema=_RESULTS)


def _prepare(row: Mapping[str, Any], source: Location, target: Location, config: PrepareConfig) -> dict[str, Any]:
    table = _table(row["items"])
    files = [FileStat(*values) for values in zip(*(table[f"file_{n}"].to_pylist() for n in _FILES), strict=True)]
    part = Part(row["number"], table.select(SOURCE_ITEMS.names), files, {})
    return _row(prepare_part(part, source, target, config))


def _thin(row: Mapping[str, Any], target: Location, config: PrepareConfig) -> dict[str, Any]:
    entry = FileEntry.model_validate_json(row["entry"])
    part = PartResult(row["number"], entry, [], HASHES.empty_table())
    return _row(thin_part(part, set(json.loads(row["dropped"])), target, config))


def _bytes_of(part: Part) -> int:
    return sum(file.bytes for file in part.files)


def _describe(part: Part) -> dict[str, Any]:
    """Return all that a task has to know of its part, as values of which Ray Data need not guess the types."""
    table = part.items
    for name, values in zip(_FILES, zip(*map(astuple, part.files), strict=True), strict=False):
        table = table.append_column(f"file_{name}", pa.array(values))
    return {"number": part.number, "items": _bytes(table)}


def _row(result: PartResult) -> dict[str, Any]:
    rejects = [list(reject) for reject in result.rejects]
    values = {"number": result.number, "entry": result.entry.model_dump_json(), "rejects": rejects}
    return {**values, "hashes": _bytes(result.hashes), **_NO_FAILURE}


def _result(row: Mapping[str, Any]) -> PartResult:
    if row["error"]:
        raise _ERRORS[row["error"]](row["message"], hint=row["hint"])
    rejects = [Reject(*reject) for reject in row["rejects"]]
    hashes = _table(row["hashes"]).cast(HASHES)
    return PartResult(row["number"], FileEntry.model_validate_json(row["entry"]), rejects, hashes)


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _table(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()
