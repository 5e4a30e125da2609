"""How far a run is, as people and their tools read it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from cirray.config import Config

State = Literal["training", "interrupted", "finished"]

LOSS, RATE, VALIDATION = "loss", "learning_rate", "validation"
"""Groups of values, before the "/" in their names."""

NORM, SPEED, WAITING, MEMORY = "gradient_norm", "triplets_per_s", "waiting", "peak_memory_mib"


class Point(Config):
    """What one epoch came to.

    Attributes:
        epoch: from 1.
        values: by name: "loss/total" and parts, "learning_rate/" with the group of weights, "gradient_norm",
            "triplets_per_s", "waiting" (share of the time), "peak_memory_mib", and where the epoch was validated
            "validation/" with protocol and metric, such as "validation/standard/R@10", in percent.
    """

    epoch: int = Field(ge=1)
    values: dict[str, float]


class Event(Config):
    """What befell a run.

    Attributes:
        at: moment, UTC, ISO 8601.
        text: what it was.
    """

    at: str
    text: str


class RunSummary(Config):
    """All that a run's page tells, but for pictures.

    Attributes:
        name: of the recipe.
        identity: fingerprint of the run.
        state: "training"; "interrupted" where its driver met an error, so that it may go on; "finished". A driver
            that was killed leaves "training".
        epochs: that it will have, unless it stops early.
        updated: when this was written, UTC, ISO 8601.
        facts: what is trained on what, in words.
        settings: of the run.
        points: of the epochs so far.
        events: in their order, over all drivers that the run has had.
        pictures: whether the page has retrieved pictures.
    """

    name: str
    identity: str
    state: State = "training"
    epochs: int = Field(ge=1)
    updated: str = ""
    facts: dict[str, str] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    points: tuple[Point, ...] = ()
    events: tuple[Event, ...] = ()
    pictures: bool = False
