"""The one shape of all trackers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, SerializeAsAny

from cirray.config import Choice, chosen_from
from cirray.errors import ConfigError
from cirray.registry import Registry
from cirray.storage import Location
from cirray.tracking.summary import Point, State


class TrackerConfig(Choice):
    """Settings that all trackers have."""


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker knows of a run.

    Attributes:
        name: of the recipe.
        identity: fingerprint of the run, which stays the same when another driver goes on with it.
        folder: of the run, at the root.
        settings: of the run, nested.
    """

    name: str
    identity: str
    folder: Location
    settings: Mapping[str, Any]


class Tracker(ABC):
    """Writes a run's points somewhere, each epoch's once, however often the run is interrupted.

    One is made for each driver of a run. To make one must be quick, ask nobody, and raise `ConfigError` where a
    package is missing; whatever `write` and `end` raise is told once, and training goes on.

    Args:
        config: its settings.
        run: whose points.
    """

    Config: ClassVar[type[Choice]]

    def __init__(self, config: Any, run: TrackedRun) -> None:
        self.config, self.run = config, run

    @abstractmethod
    def write(self, points: Sequence[Point]) -> None:
        """Write those points that have not been written yet, by whichever driver.

        Args:
            points: of all epochs so far, ascending.
        """

    def end(self, state: State) -> None:
        """Say that this driver is done with the run."""
        return


trackers: Registry[type[Tracker]] = Registry("tracker")


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _distinct(chosen: tuple[Choice, ...]) -> tuple[Choice, ...]:
    names = [each.name for each in chosen]
    if len(set(names)) < len(names):
        raise ConfigError(f"A tracker is chosen twice: {', '.join(names)}.", hint="Name each once.")
    return chosen


Tracking = Annotated[
    tuple[Annotated[SerializeAsAny[Choice], chosen_from(trackers), BeforeValidator(_named)], ...],
    AfterValidator(_distinct),
]
"""A field of a configuration: trackers, each by its name alone or with its settings, and none twice."""
