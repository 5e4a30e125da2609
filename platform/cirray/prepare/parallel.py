"""The parts of the item table, by Ray Data. Ray is imported only when there is work for it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from functools import partial
from typing import Any

import pyarrow as pa

from cirray.cluster import ray_cluster
from cirray.datasets.raw import Progress
from cirray.errors import CirrayError, StorageError
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
    ]
)


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
        StorageError: something cannot be read or written, or the cluster fails.
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
    from ray.exceptions import RayError

    # One block a part, so that each is a task of its own wherever there is a free CPU.
    dataset = ray.data.from_items(parts, override_num_blocks=len(parts)).map_batches(
        task, batch_size=1, batch_format="pyarrow"
    )
    # The dataset's own copy of the context: what else runs in this process keeps its own.
    dataset.context.enable_progress_bars = False
    dataset.context.print_on_execution_start = False
    dataset.context.execution_no_progress_timeout_s = NO_PROGRESS_TIMEOUT_S
    try:
        yield from dataset.iter_rows()
    except RayError as error:
        raise _own_error(error) from error


def _describe(items: pa.Table, sizes: Mapping[str, int], number: int) -> dict[str, Any]:
    """Return all that a task has to know of its part, as values of which Ray Data need not guess the types."""
    sink = pa.BufferOutputStream()
    listed = pa.array([sizes[path] for path in items["path"].to_pylist()], pa.int64())
    table = items.append_column("bytes", listed)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return {"number": number, "items": sink.getvalue().to_pybytes()}


def _run(batch: pa.Table, source: Location, target: Location, config: PrepareConfig) -> pa.Table:
    rows = []
    for part in batch.to_pylist():
        table = pa.ipc.open_stream(part["items"]).read_all()
        items, sizes = table.drop_columns("bytes"), table["bytes"].to_pylist()
        result = prepare_part(part["number"], items, sizes, source, target, config)
        rows.append({"entry": result.entry.model_dump_json(), "rejects": [list(r) for r in result.rejects]})
    return pa.Table.from_pylist(rows, schema=_RESULTS)


def _result(row: Mapping[str, Any]) -> PartResult:
    return PartResult(FileEntry.model_validate_json(row["entry"]), [Reject(*reject) for reject in row["rejects"]])


def _own_error(error: BaseException) -> CirrayError:
    """Return the error of ours that made a task fail, or one that wraps what Ray says."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, CirrayError):
            return cause
        cause = getattr(cause, "cause", None) or cause.__cause__
    return StorageError(f"The pictures could not be prepared: {str(error).strip().splitlines()[-1]}")
