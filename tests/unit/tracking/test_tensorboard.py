"""TensorBoard's event file, as TensorBoard reads it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cirray.storage import Location
from cirray.tracking import Point, Tensorboard, TensorboardConfig, TrackedRun
from cirray.tracking.tensorboard import EVENTS


def points(epochs: int, *, shift: float = 0.0) -> list[Point]:
    return [
        Point(epoch=epoch, values={"loss/total": 1 / epoch + shift, "validation/standard/R@1": 10.0 * epoch})
        for epoch in range(1, epochs + 1)
    ]


def tracker(folder: Location) -> Tensorboard:
    return Tensorboard(TensorboardConfig(), TrackedRun("css-2d/tirg", "f" * 64, folder, {}))


def read(folder: Location, aside: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what TensorBoard itself finds, by tag."""
    aside.mkdir(exist_ok=True)
    (aside / EVENTS).write_bytes((folder / EVENTS).read())
    found = EventAccumulator(str(aside)).Reload()
    return {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def expected(written: Sequence[Point]) -> dict[str, list[tuple[int, Any]]]:
    return {
        tag: [(point.epoch, pytest.approx(point.values[tag], rel=1e-6)) for point in written]
        for tag in ("loss/total", "validation/standard/R@1")
    }


def test_a_run_that_is_interrupted_and_goes_on_has_each_epoch_once(place_uri: str, tmp_path: Path) -> None:
    folder = Location.parse(f"{place_uri}/run")
    first = tracker(folder)
    first.write(points(1))
    first.write(points(3))
    # Another driver, that trains the third epoch again since its checkpoint was lost.
    second = tracker(folder)
    second.write(points(2))
    second.write(points(3, shift=0.5))
    second.write(points(5))
    second.write(points(5))
    assert read(folder, tmp_path / "aside") == expected(points(5))


@pytest.mark.parametrize("left", [1, 11, 12, 30])
def test_a_record_that_was_cut_off_is_written_again(tmp_path: Path, left: int) -> None:
    folder = Location.parse(str(tmp_path / "run"))
    tracker(folder).write(points(2))
    whole = len((folder / EVENTS).read())
    tracker(folder).write(points(3))
    with open((folder / EVENTS).path, "r+b") as stream:
        stream.truncate(whole + left)
    tracker(folder).write(points(4))
    assert read(folder, tmp_path / "aside") == expected(points(4))


def test_who_looks_on_keeps_the_file_open_and_sees_it_grow(tmp_path: Path) -> None:
    folder = Location.parse(str(tmp_path / "run"))
    tracker(folder).write(points(1))
    before = os.stat((folder / EVENTS).path)
    looking_on = EventAccumulator(folder.path).Reload()
    tracker(folder).write(points(2))
    assert os.stat((folder / EVENTS).path).st_ino == before.st_ino
    assert [event.step for event in looking_on.Reload().Scalars("loss/total")] == [1, 2]
