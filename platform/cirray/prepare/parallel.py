"""The parts of the item table, by Ray Data. Ray is imported only when there is work for it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from functools import partial
from typing import Any

import pyarrow as pa

from cirray.cluster import ray_cluster
from cirray.datasets.raw import Progress
from cirray.errors import DataError, StorageError
from cirray.prepare.config import PrepareConfig
from cirray.prepare.part import PartResult, prepare_part
from cirray.prepare.rejects import Reject
from cirray.storage import FileEntry, Location

NO_PROGRESS_TIMEOUT_S = 600
"""Ray Data gives up after this long without a finished part; its own default is half an hour."""

_RESULTS = pa.schema(
    [
        pa.field("entry", pa.string(), nullable=False),
        pa.field("rejects", pa.list_(pa.list_(pa.string())), nullable=False),
        pa.field("error", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("hint", pa.string(), nullable=False),
    ]
)
_NO_FAILURE = {"error": "", "message": "", "hint": ""}
_ERRORS = {kind.code: kind for kind in (DataError, StorageError)}


def prepare_parts(
    items: pa.Table,
    sizes: Mapping[str, int],
    source: Location,
    target: Location,
    config: PrepareConfig,
    progress: Progress,
) -> list[PartResult]:
    """Write the item table to `target`, one task of Ray Data a part, and return the parts in their order.

    Ray is started on this machine where none is connected.

    Args:
        items: schema `SOURCE_ITEMS`, sorted by id.
        sizes: bytes of each file of the source, by its path.
        source: what the paths of `items` are relative to.
        target: place of the artifact.
        config: of the preparation.
        progress: called with (parts done, parts in all).

    Raises:
        DataError: a file has changed since the source was listed.
        StorageError: something cannot be read or written.
    """
    parts = [
        _describe(items.slice(start, config.part_rows), sizes, start // config.part_rows)
        for start in range(0, items.num_rows, config.part_rows)
    ]
    task = partial(_run, source=source, target=target, config=config)
    results = []
    progress(0, len(parts))
    with ray_cluster(), closing(_run_in_ray(parts, task)) as rows:
        for row in rows:
            results.append(_result(row))
            progress(len(results), len(parts))
    return sorted(results, key=lambda result: result.entry.name)


def _run_in_ray(
    parts: list[dict[str, Any]], task: Callable[[pa.Table], pa.Table]
) -> Generator[Mapping[str, Any], None, None]:
    """Yield what `task` makes of each part, as it comes."""
    import ray.data

    # One block a part, so that each is a task of its own wherever there is a free CPU.
    dataset = ray.data.from_items(parts, override_num_blocks=len(parts)).map_batches(
        task, batch_size=1, batch_format="pyarrow"
    )
    # The dataset's own copy of the context: what else runs in this process keeps its own.
    dataset.context.enable_progress_bars = False
    dataset.context.print_on_execution_start = False
    dataset.context.execution_no_progress_timeout_s = NO_PROGRESS_TIMEOUT_S
    yield from dataset.iter_rows()


def _describe(items: pa.Table, sizes: Mapping[str, int], number: int) -> dict[str, Any]:
    """Return all that a task has to know of its part, as values of which Ray Data need not guess the types."""
    sink = pa.BufferOutputStream()
    listed = pa.array([sizes[path] for path in items["path"].to_pylist()], pa.int64())
    table = items.append_column("bytes", listed)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return {"number": number, "items": sink.getvalue().to_pybytes()}


def _run(batch: pa.Table, source: Location, target: Location, config: PrepareConfig) -> pa.Table:
    rows = [_run_part(part, source, target, config) for part in batch.to_pylist()]
    return pa.Table.from_pylist(rows, schema=_RESULTS)


def _run_part(part: Mapping[str, Any], source: Location, target: Location, config: PrepareConfig) -> dict[str, Any]:
    table = pa.ipc.open_stream(part["items"]).read_all()
    items, sizes = table.drop_columns("bytes"), table["bytes"].to_pylist()
    try:
        result = prepare_part(part["number"], items, sizes, source, target, config)
    except (DataError, StorageError) as error:
        # As a value: raised, it would come out of Ray Data with advice on retries in its message.
        failure = {"error": error.code, "message": error.args[0], "hint": error.hint}
        return {"entry": "", "rejects": [], **failure}
    entry = result.entry.model_dump_json()
    return {"entry": entry, "rejects": [list(reject) for reject in result.rejects], **_NO_FAILURE}


def _result(row: Mapping[str, Any]) -> PartResult:
    if row["error"]:
        raise _ERRORS[row["error"]](row["message"], hint=row["hint"])
    return PartResult(FileEntry.model_validate_json(row["entry"]), [Reject(*reject) for reject in row["rejects"]])
