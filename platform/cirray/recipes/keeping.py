"""Which checkpoints of a run are kept."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cirray.config import Config


class KeepConfig(Config):
    """Which checkpoints of a run are kept; all others are deleted as soon as a newer one is whole.

    The one that the run's bundle is made of is kept besides, whatever this says.

    Attributes:
        last: how many of the newest. With two, a damaged one still has one before it to fall back to.
        best: how many of those at an epoch's end, by `metric`, beside the newest.
        metric: what decides which are best, of what an epoch reports: "loss", one of its parts, or a metric of the
            validation such as "validation/R@1".
        order: "max" where more of `metric` is better, or "min".
    """

    last: int = Field(2, ge=1)
    best: int = Field(0, ge=0)
    metric: str = "loss"
    order: Literal["min", "max"] = "min"
