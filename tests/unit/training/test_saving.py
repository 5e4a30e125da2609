"""Checkpoints written behind training's back: it goes on meanwhile, and hears what went wrong."""

from __future__ import annotations

import threading

import pytest

from cirray.errors import StorageError, TrainingError
from cirray.training.checkpoint import Snapshot
from cirray.training.progress import PartialEpoch, Progress
from cirray.training.saving import Saver

WAIT_S = 20.0


def taken(steps: int) -> Snapshot:
    return Snapshot({}, Progress(partial=PartialEpoch(steps=steps)))


def test_training_goes_on_while_a_checkpoint_is_written() -> None:
    written, begun, go_on = list[int](), threading.Event(), threading.Event()

    def save(snapshot: Snapshot) -> None:
        begun.set()
        assert go_on.wait(WAIT_S)
        written.append(snapshot.progress.partial.steps)

    with Saver(save, lambda text: None) as saver:
        saver(lambda: taken(1))
        assert begun.wait(WAIT_S)
        # Here training would take its steps.
        assert written == []
        go_on.set()
        saver(lambda: taken(2))
        assert written[0] == 1
    assert written == [1, 2]


def test_the_next_snapshot_is_taken_when_the_one_before_is_written() -> None:
    """There is never more than one copy of the state in memory."""
    order: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def save(snapshot: Snapshot) -> None:
        begun.set()
        assert go_on.wait(WAIT_S)
        order.append(f"written {snapshot.progress.partial.steps}")

    def take(steps: int) -> Snapshot:
        order.append(f"taken {steps}")
        return taken(steps)

    with Saver(save, lambda text: None) as saver:
        saver(lambda: take(1))
        assert begun.wait(WAIT_S)
        threading.Timer(0.05, go_on.set).start()
        saver(lambda: take(2))
    assert order == ["taken 1", "written 1", "taken 2", "written 2"]


def fails_with(error: Exception, at: int) -> tuple[list[int], Saver, list[str]]:
    written, said = list[int](), list[str]()

    def save(snapshot: Snapshot) -> None:
        if snapshot.progress.partial.steps == at:
            raise error
        written.append(snapshot.progress.partial.steps)

    return written, Saver(save, said.append), said


def test_a_checkpoint_that_the_store_did_not_take_is_told_and_missed() -> None:
    written, saver, said = fails_with(StorageError("The bucket is away."), at=2)
    with saver:
        for steps in (1, 2, 3):
            saver(lambda steps=steps: taken(steps))  # type: ignore[misc]  # bound at once
    assert written == [1, 3]
    assert said == ["a checkpoint was not written, training goes on without it: The bucket is away."]


def test_the_last_one_must_be_written() -> None:
    _, saver, _ = fails_with(StorageError("The bucket is away."), at=1)
    with pytest.raises(StorageError, match="away"), saver:
        saver(lambda: taken(1))


def test_any_other_error_ends_training() -> None:
    _, saver, _ = fails_with(TrainingError("The lease is lost."), at=1)
    saver(lambda: taken(1))
    with pytest.raises(TrainingError, match="lost"), saver:
        saver(lambda: taken(2))


def test_what_was_handed_over_is_written_though_training_fails() -> None:
    written, saver, _ = fails_with(StorageError(""), at=0)
    saver(lambda: taken(1))
    with pytest.raises(RuntimeError, match="peer"), saver:
        raise RuntimeError("connection closed by peer")
    assert written == [1]
