"""Which failures of a run are worth another try, and how the last one is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.exceptions import RayActorError
from ray.train import UserCallback

from cirray.cluster import own_error, unwrapped
from cirray.errors import CirrayError, StorageError, TrainingError


class InterruptedRunError(TrainingError):
    """A run ended by what is not its own fault, such as workers that died; the same call goes on with it."""


class GiveUp(UserCallback):
    """Ends a run that another try would not help; Ray starts its workers again as long as this says nothing.

    So does an error of cirray, but for a place that cannot be read or written, since a store may come back; and so do
    workers that die over and over without getting any further. A run of a week may lose as many as it likes, as long
    as there is a new checkpoint between one loss and the next.
    """

    def __init__(self, max_failures: int, furthest: Callable[[], str | None], say: Callable[[str], None]) -> None:
        """Take what to judge by.

        Args:
            max_failures: how many times in a row workers may die without a new checkpoint in between.
            furthest: returns the name of the newest checkpoint, or None.
            say: hears of each failure.
        """
        self._max_failures = max_failures
        self._furthest = furthest
        self._say = say
        self._failures = 0
        self._reached: str | None = None

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Raise where the run shall end: what a callback raises in Ray's controller ends it."""
        for error in map(own_error, worker_exceptions.values()):
            if error is not None and not isinstance(error, StorageError):
                raise error
        reasons = "; ".join(_reasons(worker_exceptions))
        if any(isinstance(error, RayActorError) and error.preempted for error in worker_exceptions.values()):
            self._say(f"a node was taken away ({reasons})")
            return
        self._count()
        if self._failures > self._max_failures:
            raise InterruptedRunError(
                f"Workers died {self._failures} times in a row without getting any further: {reasons}.",
                hint="Run the same command again to go on from the last checkpoint.",
            )
        self._say(f"workers {sorted(worker_exceptions)} failed ({reasons}); going on from the last checkpoint")

    def _count(self) -> None:
        try:
            reached = self._furthest()
        except StorageError:
            reached = self._reached
        self._failures = self._failures + 1 if reached == self._reached else 1
        self._reached = reached


def told(error: BaseException) -> CirrayError:
    """Return the error of cirray that made a run fail, or an `InterruptedRunError` that says what did."""
    failures = getattr(error, "worker_failures", None) or {0: error}
    for own in map(own_error, failures.values()):
        if own is not None:
            return own
    return InterruptedRunError(
        f"Training failed: {'; '.join(_reasons(failures))}.", hint="Run the same command again to go on from there."
    )


def _reasons(failures: dict[int, Any]) -> list[str]:
    return sorted({_first_line(cause) for cause in failures.values()})


def _first_line(error: BaseException) -> str:
    while (inner := unwrapped(error)) is not None:
        error = inner
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else repr(error)
