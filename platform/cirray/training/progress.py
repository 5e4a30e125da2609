"""How far a run is: reports of the epochs that are done, and what the one in the middle came to so far."""

from __future__ import annotations

from pydantic import Field

from cirray.config import Config


class EpochReport(Config):
    """What one epoch did.

    Attributes:
        epoch: from 1.
        losses: mean over steps and workers of the loss ("total") and of each of its parts.
        learning_rate: after the epoch.
        learning_rates: after the epoch, of each group of weights: the image encoder's, the rest's, and those that a
            loss has of its own, under its role.
        gradient_norm: mean over the steps, before clipping.
        seconds: that the epoch took; where it was interrupted, without the steps that were lost.
        triplets_per_s: over all workers together.
        waiting: share of the time in which worker 0 waited for data.
        pixels: where worker 0 had them from, "cache" or "stream".
        peak_memory_mib: on worker 0, of a GPU's memory in this epoch, or else of the process since it began.
        validation: metrics on the validation split, in percent, by name; empty where there was no validation.
        validation_seconds: that it took, which are not among `seconds`.
    """

    epoch: int
    losses: dict[str, float]
    learning_rate: float
    learning_rates: dict[str, float] = Field(default_factory=dict)
    gradient_norm: float
    seconds: float
    triplets_per_s: float
    waiting: float
    pixels: str = "cache"
    peak_memory_mib: float = 0.0
    validation: dict[str, float] = Field(default_factory=dict)
    validation_seconds: float = 0.0


class PartialEpoch(Config):
    """What the steps of an unfinished epoch came to.

    Sums are of 32-bit values, which this holds exactly: a run that goes on from here ends with the same means.

    Attributes:
        steps: that are done.
        losses: sums over the steps of means over the workers.
        gradient_norm: sum over the steps.
        seconds: that they took on worker 0.
        waited: seconds of these in which worker 0 waited for data.
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
