"""Which failures of a run are worth another try, and how the last one is told."""

from __future__ import annotations

from typing import Any

from ray.train import UserCallback

from cirray.cluster import own_error, unwrapped
from cirray.errors import CirrayError, StorageError, TrainingError


class InterruptedRunError(TrainingError):
    """A run ended by what is not its own fault, such as workers that died; the same call goes on with it."""


class GiveUp(UserCallback):
    """Ends a run at an error of cirray, which another try would only meet again.

    A place that cannot be read or written is tried again: a store may come back.
    """

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Raise the first such error: what a callback raises in Ray's controller ends the run."""
        for error in map(own_error, worker_exceptions.values()):
            if error is not None and not isinstance(error, StorageError):
                raise error


def told(error: BaseException) -> CirrayError:
    """Return the error of cirray that made a run fail, or an `InterruptedRunError` that says what did."""
    failures = getattr(error, "worker_failures", None) or {0: error}
    for own in map(own_error, failures.values()):
        if own is not None:
            return own
    reasons = sorted({_first_line(cause) for cause in failures.values()})
    return InterruptedRunError(
        f"Training failed: {'; '.join(reasons)}.", hint="Run the same command again to go on from there."
    )


def _first_line(error: BaseException) -> str:
    while (inner := unwrapped(error)) is not None:
        error = inner
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else repr(error)
