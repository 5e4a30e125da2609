"""The tree of scenes: rounds of changes, each to every scene of the round before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cirray.datasets.cci.changes import draw_change, draw_first
from cirray.datasets.cci.config import CciConfig
from cirray.datasets.cci.relation import valid_difference
from cirray.datasets.cci.scene import CciScene
from cirray.errors import ConfigError

_DRAWS = 1000
"""Changes drawn in vain before a scene is held to have no further ones."""


@dataclass(frozen=True, slots=True)
class Edge:
    """`instruction` makes scene `source` into scene `target`; both index `Tree.scenes`."""

    source: int
    instruction: str
    target: int


@dataclass(frozen=True)
class Tree:
    """A generated CCI world.

    Attributes:
        config: the settings it was generated from.
        scenes: round by round; those that grew from one scene follow each other. Scenes of different branches may be
            equal.
        edges: one into each scene but the first, in the order of the targets.
    """

    config: CciConfig
    scenes: tuple[CciScene, ...]
    edges: tuple[Edge, ...]

    def is_test(self, index: int) -> bool:
        """Return whether a scene belongs to the test rounds."""
        config = self.config
        known: int = sum(config.changes**number for number in range(config.rounds - config.test_rounds + 1))
        return index >= known


def grow(config: CciConfig) -> Tree:
    """Return the world of `config`; the same settings give the same world.

    Raises:
        ConfigError: some scene does not have as many different changes as asked for.
    """
    # A stream for each scene: its changes depend on nothing but itself and its number.
    scenes = [draw_first(config, np.random.default_rng([config.seed, 0]))]
    edges: list[Edge] = []
    first = 0
    for _ in range(config.rounds):
        last = len(scenes)
        for source in range(first, last):
            for target, instruction in _changes(
                scenes[source], config, np.random.default_rng([config.seed, 1, source])
            ):
                edges.append(Edge(source, instruction, len(scenes)))
                scenes.append(target)
        first = last
    return Tree(config, tuple(scenes), tuple(edges))


def _changes(scene: CciScene, config: CciConfig, rng: np.random.Generator) -> list[tuple[CciScene, str]]:
    found: dict[CciScene, str] = {}
    for _ in range(_DRAWS):
        target = draw_change(scene, config, rng)
        instruction = valid_difference(scene, target)
        if instruction is not None:
            found.setdefault(target, instruction)
        if len(found) == config.changes:
            return list(found.items())
    raise ConfigError(
        f"Of {_DRAWS} changes drawn, only {len(found)} give a scene of {len(scene.objects)} objects different "
        f"results; lower changes ({config.changes}), or give more kinds of change a weight."
    )
