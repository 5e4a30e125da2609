"""How far a run is: reports of the epochs that are done, and what the one in the middle came to so far."""

from __future__ import annotations

from pydantic import Field

from cirray.config import Config


class EpochReport(Config):
    """What one epoch did.

    Attributes:
        epoch: from 1.
        losses: mean over the steps of the loss ("total") and of each of its parts, on worker 0.
        learning_rate: after the epoch.
        gradient_norm: mean over the steps, before clipping.
        seconds: that the epoch took; where it was interrupted, without the steps that were lost.
        triplets_per_s: over all workers together.
        waiting: share of the time in which this worker waited for data.
        pixels: where worker 0 had them from, "cache" or "stream".
        validation: what was measured after the epoch on data that does not train, by name; empty where nothing was.
    """

    epoch: int
    losses: dict[str, float]
    learning_rate: float
    gradient_norm: float
    seconds: float
    triplets_per_s: float
    waiting: float
    pixels: str = "cache"
    validation: dict[str, float] = Field(default_factory=dict)

    @property
    def validated(self) -> dict[str, float]:
        """What was measured after the epoch, with the number of the epoch."""
        return {"epoch": float(self.epoch), **self.validation}


class PartialEpoch(Config):
    """What the steps of an unfinished epoch came to, on worker 0.

    Sums are of 32-bit values, which this holds exactly: a run that goes on from here ends with the same means.

    Attributes:
        steps: that are done.
        losses: sums over the steps.
        gradient_norm: sum over the steps.
        seconds: that they took.
        waited: seconds of these in which the worker waited for data.
    """

    steps: int = Field(0, ge=0)
    losses: dict[str, float] = Field(default_factory=dict)
    gradient_norm: float = 0.0
    seconds: float = 0.0
    waited: float = 0.0


class Progress(Config):
    """How far a run is.

    Attributes:
        history: reports of the epochs that are done.
        partial: the epoch after them.
    """

    history: tuple[EpochReport, ...] = ()
    partial: PartialEpoch = PartialEpoch()

    def validated(self, measured: dict[str, float]) -> Progress:
        """Return the progress with what was measured after the last epoch."""
        if not measured:
            return self
        last = self.history[-1].model_copy(update={"validation": measured})
        return self.model_copy(update={"history": (*self.history[:-1], last)})
