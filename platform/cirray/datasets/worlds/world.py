"""What a generated world is: pictures that can be drawn one by one, anywhere, and the tables that go with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cirray.config import Config
from cirray.datasets.source import SourceTables
from cirray.errors import ConfigError
from cirray.registry import Registry

SPLITS = ("train", "test")
"""Splits of every world."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a world, not yet drawn.

    Attributes:
        path: within the source.
        draw: returns the PNG file. It is a `functools.partial` of a module's function on plain values, so that a
            picture can be sent to another process and be drawn there; the same bytes come out each time.
    """

    path: str
    draw: Callable[[], bytes]


@dataclass(frozen=True)
class Plan:
    """A world that is thought out: what remains is to draw `pictures`, in any order."""

    pictures: Sequence[Picture]
    tables: SourceTables


@dataclass(frozen=True)
class WorldKind:
    """One kind of generated world.

    Attributes:
        name: of the world and of the reader of its sources.
        title: what messages call it.
        Config: its settings.
        version: of the generator: goes up when the same settings no longer give the same world.
        seconds_per_picture: that drawing one takes on one core, roughly; decides whether it is worth a cluster.
        plan: thinks a world out, in seconds at the published sizes.
    """

    name: str
    title: str
    Config: type[Config]
    version: int
    seconds_per_picture: float
    plan: Callable[[Any], Plan]


worlds: Registry[WorldKind] = Registry("world")


def world_of(config: Config) -> WorldKind:
    """Return the world that `config` has the settings of.

    Raises:
        ConfigError: no world has settings of this kind.
    """
    for name in worlds:
        if type(config) is worlds[name].Config:
            return worlds[name]
    raise ConfigError(f"{type(config).__name__} is the configuration of no world; there are: {', '.join(worlds)}.")
