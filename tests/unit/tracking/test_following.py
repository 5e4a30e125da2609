"""What follows a run: nothing that goes wrong in it reaches training, and nothing is lost on the page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cirray.storage import Location
from cirray.tracking import (
    PAGE,
    Following,
    Point,
    RunSummary,
    State,
    TrackedRun,
    Tracker,
    TrackerConfig,
    read_summary,
)

RUN = RunSummary(name="css-2d/tirg", identity="f" * 64, epochs=4)


class Scripted(Tracker):
    """Takes down what it is told, after whatever a test has it do first."""

    Config = TrackerConfig

    def __init__(self, folder: Location, first: Callable[[], None] = lambda: None) -> None:
        super().__init__(TrackerConfig(name="scripted"), TrackedRun(RUN.name, RUN.identity, folder, {}))
        self.first = first
        self.tries = 0
        self.tried = threading.Semaphore(0)
        self.epochs: list[int] = []
        self.state: State | None = None

    def write(self, points: Sequence[Point]) -> None:
        self.tries += 1
        try:
            self.first()
        finally:
            self.tried.release()
        self.epochs += [point.epoch for point in points[len(self.epochs) :]]

    def end(self, state: State) -> None:
        self.state = state


def points(epochs: int) -> list[Point]:
    return [Point(epoch=epoch, values={"loss/total": 1 / epoch}) for epoch in range(1, epochs + 1)]


@pytest.fixture
def folder(tmp_path: Path) -> Location:
    return Location.parse(str(tmp_path / "run"))


def test_trackers_hear_of_every_epoch_and_of_the_end(folder: Location) -> None:
    tracker = Scripted(folder)
    with Following(RUN, folder, [tracker], lambda text: None) as followed:
        for epochs in range(1, 5):
            followed.points(points(epochs))
    assert (tracker.epochs, tracker.state) == ([1, 2, 3, 4], "finished")
    found = read_summary(folder)
    assert found is not None
    assert (found.state, [point.epoch for point in found.points]) == ("finished", [1, 2, 3, 4])
    assert [event.text for event in found.events] == ["finished"]


def test_a_tracker_that_fails_is_told_once_and_asked_again(folder: Location) -> None:
    down = True

    def first() -> None:
        if down:
            raise ConnectionError("the server is down\nand more of it")

    tracker, said = Scripted(folder, first), list[str]()
    with Following(RUN, folder, [tracker], said.append) as followed:
        for epochs in (1, 2):
            followed.points(points(epochs))
            assert tracker.tried.acquire(timeout=30)
        down = False
        followed.points(points(3))
    assert said == ["tracker 'scripted' failed, training goes on: the server is down"]
    assert (tracker.epochs, tracker.state) == ([1, 2, 3], "finished")
    found = read_summary(folder)
    assert found is not None
    assert [event.text for event in found.events] == [*said, "finished"]


def test_a_tracker_that_never_answers_is_left_behind(folder: Location) -> None:
    over = threading.Event()

    def never() -> None:
        over.wait()

    tracker, said = Scripted(folder, never), list[str]()
    with Following(RUN, folder, [tracker], said.append, patience_s=0.05) as followed:
        followed.points(points(1))
    over.set()
    assert "tracker 'scripted' has not answered for 0.05 s and is left behind" in said


def test_a_page_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    said: list[str] = []
    with Following(RUN, Location.parse(str(tmp_path / "run")), [], said.append) as followed:
        for epochs in (1, 2):
            followed.points(points(epochs))
    assert len(said) == 1
    assert said[0].startswith("run page failed, training goes on: ")


def test_what_befell_earlier_drivers_stays_on_the_page(folder: Location) -> None:
    def ill_fated() -> None:
        with Following(RUN, folder, [], lambda text: None) as followed:
            followed.said("a worker died")
            followed.points(points(2))
            raise RuntimeError("no more workers")

    with pytest.raises(RuntimeError, match="no more workers"):
        ill_fated()
    before = read_summary(folder)
    assert before is not None
    assert before.state == "interrupted"
    with Following(RUN, folder, [], lambda text: None) as followed:
        followed.said("going on from checkpoint 2")
        followed.points(points(4))
    found = read_summary(folder)
    assert found is not None
    assert [event.text for event in found.events] == [
        "a worker died",
        "ended by RuntimeError: no more workers",
        "going on from checkpoint 2",
        "finished",
    ]
    assert b"a worker died" in (folder / PAGE).read()


def test_a_run_that_never_finished_an_epoch_troubles_no_tracker(folder: Location) -> None:
    tracker = Scripted(folder)
    with pytest.raises(RuntimeError), Following(RUN, folder, [tracker], lambda text: None):
        raise RuntimeError("the data is gone")
    assert tracker.tries == 0
