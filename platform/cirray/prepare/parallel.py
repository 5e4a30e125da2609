"""The parts of the item table, by Ray Data. Ray is imported only when there is work for it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from cirray.cluster import ray_cluster
from cirray.datasets.schema import HASHES
from cirray.errors import ClusterError, DataError, StorageError
from cirray.prepare.allocation import keep_freed_memory
from cirray.prepare.apart import prepare_part_apart
from cirray.prepare.config import PartConfig
from cirray.prepare.known import NOTHING, Earlier
from cirray.prepare.part import PartResult, prepare_part, thin_part
from cirray.prepare.plan import Part
from cirray.prepare.wire import (
    RESULTS,
    describe_failure,
    describe_part,
    describe_result,
    described_part,
    described_result,
)
from cirray.storage import FileEntry, Location
from cirray.storage.syncing import Syncing

NO_PROGRESS_TIMEOUT_S = 600
"""Ray Data gives up after this long without a finished part; its own default is half an hour.

This is also what ends it where a worker is ended for want of memory again and again: Ray begins such a part anew for
ever.
"""


def prepare_parts(
    parts: Sequence[Part],
    source: Location,
    target: Location,
    config: PartConfig,
    finished: Callable[[int], None] = lambda items: None,
    earlier: Mapping[int, Earlier] = MappingProxyType({}),
) -> list[PartResult]:
    """Write parts of the item table to `target`, one task of Ray Data a part, and return what they came to.

    Ray is started on this machine where none is connected. Each task holds one part in memory. To this process come
    only hashes and rejects, and it waits for the disk, for which a worker's core would idle. Where a worker dies,
    perhaps of a picture, the parts that are not finished are made anew in processes of their own, slower by a little,
    and pictures that kill these are rejected.

    Args:
        parts: to be made.
        source: what the paths of the items are relative to.
        target: place of the artifact.
        config: of the preparation.
        finished: called with the number of items of each part that is done.
        earlier: what an earlier version has of the pictures of a part, by the part's number.

    Raises:
        ClusterError: the workers failed, or made no progress.
        DataError: a file has changed since the source was listed.
        StorageError: something cannot be read or written.
    """
    sizes = {part.number: part.items.num_rows for part in parts}
    # The largest first, so that at the end no core waits long for another.
    ordered = sorted(parts, key=_bytes_of, reverse=True)
    described = [describe_part(part, earlier.get(part.number)) for part in ordered]
    makers = [
        partial(make, source=source, target=target, config=config.part_config())
        for make in (_prepare, prepare_part_apart)
    ]
    results: list[PartResult] = []
    with ray_cluster(), Syncing() as syncing:

        def done(result: PartResult) -> None:
            results.append(result)
            syncing.add(target / result.entry.path)
            finished(sizes[result.number])

        try:
            # Not begun anew by Ray: what has killed one worker would kill the next.
            _make(described, makers[0], done, max_retries=0)
        except _WorkerDiedError:
            made = {result.number for result in results}
            rest = [row for row in described if row["number"] not in made]
            _make(rest, makers[1], done)
    return sorted(results, key=lambda result: result.number)


def thin_parts(
    results: Sequence[PartResult], dropped: set[str], target: Location, config: PartConfig
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
    thinned: list[PartResult] = []
    with ray_cluster(), Syncing() as syncing:

        def done(result: PartResult) -> None:
            thinned.append(result)
            syncing.add(target / result.entry.path)

        _make(rows, partial(_thin, target=target, config=config.part_config()), done)
    before = {result.number: result for result in results}
    thinned.sort(key=lambda result: result.number)
    return [replace(before[result.number], entry=result.entry) for result in thinned]


class _WorkerDiedError(ClusterError):
    """A worker died, of its work or with its machine."""


def _make(
    rows: list[dict[str, Any]],
    task: Callable[[Mapping[str, Any]], dict[str, Any]],
    done: Callable[[PartResult], None],
    max_retries: int = -1,
) -> None:
    """Give what `task` makes of each row to `done`, as it comes."""
    if not rows:
        return
    with closing(_run_in_ray(rows, partial(_run, task=task), max_retries)) as found:
        for row in found:
            done(described_result(row))


def _run_in_ray(
    rows: list[dict[str, Any]], task: Callable[[pa.Table], pa.Table], max_retries: int = -1
) -> Generator[Mapping[str, Any], None, None]:
    """Yield what `task` makes of each row, as it comes.

    Args:
        rows: one for each task.
        task: what they do.
        max_retries: how often Ray begins a task anew whose worker died; −1 is for ever.

    Raises:
        ClusterError: the workers failed, or made no progress.
    """
    import ray.data
    from ray.data.exceptions import ExecutionTimeoutError
    from ray.exceptions import RayError, RayTaskError
    from ray.util.annotations import RayDeprecationWarning

    # One block a part, so that each is a task of its own wherever there is a free CPU.
    listed = ray.data.from_items(rows, override_num_blocks=len(rows))
    with warnings.catch_warnings():
        # Ray 2.60 has begun to name such arguments, but not this one.
        warnings.simplefilter("ignore", RayDeprecationWarning)
        dataset = listed.map_batches(task, batch_size=1, batch_format="pyarrow", max_retries=max_retries)
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
        failed = isinstance(error, RayTaskError | ExecutionTimeoutError)
        raise (ClusterError if failed else _WorkerDiedError)(
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
            rows.append(describe_failure(row["number"], error))
    return pa.Table.from_pylist(rows, schema=RESULTS)


def _prepare(row: Mapping[str, Any], source: Location, target: Location, config: PartConfig) -> dict[str, Any]:
    part, earlier = described_part(row)
    known = earlier.known() if earlier else NOTHING
    return describe_result(prepare_part(part, source, target, config, known))


def _thin(row: Mapping[str, Any], target: Location, config: PartConfig) -> dict[str, Any]:
    entry = FileEntry.model_validate_json(row["entry"])
    part = PartResult(row["number"], entry, [], HASHES.empty_table())
    return describe_result(thin_part(part, set(json.loads(row["dropped"])), target, config))


def _bytes_of(part: Part) -> int:
    return sum(file.bytes for file in part.files)
