"""The pictures of a generated world, drawn by Ray Data. Ray is imported only when there is work for it."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from cirray.cluster import ray_cluster
from cirray.datasets.worlds import Picture, WorldKind, draw_here
from cirray.errors import StorageError
from cirray.storage import Location

PICTURES_PER_TASK = 128
"""A few seconds' work: small enough for progress to show and for the last tasks to end together."""

_RESULT = pa.schema([("count", pa.int64()), ("message", pa.string()), ("hint", pa.string())])

WORTH_A_CLUSTER_S = 30.0
"""Seconds of drawing on one core from which on it is spread; to start a Ray of our own takes about five."""


def spread(world: WorldKind) -> Callable[[Location, Sequence[Picture], Callable[[int], None]], None]:
    """Return what draws the pictures of a world: Ray Data where they are worth it, else this process."""

    def draw(place: Location, pictures: Sequence[Picture], wrote: Callable[[int], None]) -> None:
        long = len(pictures) * world.seconds_per_picture > WORTH_A_CLUSTER_S
        (draw_in_ray if long else draw_here)(place, pictures, wrote)

    return draw


def draw_in_ray(place: Location, pictures: Sequence[Picture], wrote: Callable[[int], None]) -> None:
    """Draw pictures by tasks of Ray Data, wherever there is a free CPU; each writes its own below `place`.

    Ray is started on this machine where none is connected.

    Args:
        place: folder or prefix that all machines of the cluster can write to.
        pictures: to be drawn.
        wrote: called with how many more there are.

    Raises:
        StorageError: a picture cannot be written.
    """
    parts = [
        # As bytes, of which Ray Data need not guess the type.
        {"pictures": pickle.dumps(list(pictures[start : start + PICTURES_PER_TASK]))}
        for start in range(0, len(pictures), PICTURES_PER_TASK)
    ]
    with ray_cluster():
        for row in _rows(parts, partial(_draw_part, place=place)):
            if row["message"]:
                raise StorageError(row["message"], hint=row["hint"])
            wrote(row["count"])


def _rows(parts: list[dict[str, Any]], task: Callable[[pa.Table], pa.Table]) -> Any:
    import ray.data

    dataset = ray.data.from_items(parts, override_num_blocks=len(parts)).map_batches(
        task, batch_size=1, batch_format="pyarrow"
    )
    # The dataset's own copy of the context: what else runs in this process keeps its own.
    dataset.context.enable_progress_bars = False
    dataset.context.print_on_execution_start = False
    return dataset.iter_rows()


def _draw_part(batch: pa.Table, place: Location) -> pa.Table:
    counts: list[int] = []
    message, hint = "", ""
    try:
        for part in batch["pictures"].to_pylist():
            # Written by this program a moment ago, on its way to itself.
            draw_here(place, pickle.loads(part), counts.append)
    except StorageError as error:
        # As a value: raised, it would come out of Ray Data with advice on retries in its message.
        message, hint = error.args[0], error.hint or ""
    return pa.Table.from_pylist([{"count": sum(counts), "message": message, "hint": hint}], schema=_RESULT)
