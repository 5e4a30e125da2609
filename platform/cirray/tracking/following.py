"""From what happens in a run to its trackers and its page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from cirray.storage import Location
from cirray.tracking.follower import Follower
from cirray.tracking.page import read_summary, write_page
from cirray.tracking.summary import Event, Point, RunSummary, State
from cirray.tracking.tracker import Tracker

PATIENCE_S = 30.0
"""Seconds that the end of a run waits for each listener."""

Say = Callable[[str], None]


class Following:
    """Follows a run on its driver: each listener in a thread of its own, so that training waits for none.

    Leaving the `with` block says how the run ended, and waits for the listeners a while.

    Args:
        run: what it is; the events that an earlier driver wrote to the folder come before its own.
        folder: of the run, for the page.
        trackers: that hear of every epoch.
        say: told what befalls the run, and when a listener fails.
        patience_s: seconds that the end waits for each listener.
    """

    def __init__(
        self,
        run: RunSummary,
        folder: Location,
        trackers: Sequence[Tracker],
        say: Say,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._summary, self._forward, self._patience_s = run, say, patience_s
        self._lock = threading.Lock()
        # Of all who write here only this process has the run's lease.
        self._page: Follower[RunSummary] = Follower("run page", _Page(folder), self.said)
        self._trackers = [
            Follower[tuple[tuple[Point, ...], State | None]](
                f"tracker {tracker.config.name!r}", _telling(tracker), self.said
            )
            for tracker in trackers
        ]

    def __enter__(self) -> Following:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.note("finished" if error is None else f"ended by {type(error).__name__}: {error}".rstrip(": "))
        state: State = "finished" if error is None else "interrupted"
        for tracker in self._trackers:
            if self._summary.points:
                tracker((self._summary.points, state))
        for tracker in self._trackers:
            tracker.close(self._patience_s)
        with self._lock:
            self._publish(state=state)
        self._page.close(self._patience_s)

    def points(self, points: Sequence[Point]) -> None:
        """Hand over the points of all epochs so far."""
        told = tuple(points)
        with self._lock:
            if told == self._summary.points:
                return
            self._publish(points=told)
        for tracker in self._trackers:
            tracker((told, None))

    def said(self, text: str) -> None:
        """Take down what befell the run, and pass it on."""
        self.note(text)
        self._forward(text)

    def note(self, text: str) -> None:
        """Take down what befell the run."""
        with self._lock:
            self._publish(events=(*self._summary.events, Event(at=now(), text=text)))

    def _publish(self, **update: Any) -> None:
        """Change the summary, and hand it to the page. To be called by who has the lock."""
        self._summary = self._summary.model_copy(update={**update, "updated": now()})
        self._page(self._summary)


class _Page:
    """Writes the page, after the events of earlier drivers."""

    def __init__(self, folder: Location) -> None:
        self._folder = folder
        self._before: tuple[Event, ...] | None = None

    def __call__(self, summary: RunSummary) -> None:
        if self._before is None:
            found = read_summary(self._folder)
            self._before = found.events if found and found.identity == summary.identity else ()
        write_page(self._folder, summary.model_copy(update={"events": (*self._before, *summary.events)}))


def _telling(tracker: Tracker) -> Callable[[tuple[tuple[Point, ...], State | None]], None]:
    def tell(told: tuple[tuple[Point, ...], State | None]) -> None:
        points, state = told
        tracker.write(points)
        if state is not None:
            tracker.end(state)

    return tell


def now() -> str:
    """Return this moment, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
