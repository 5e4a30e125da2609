"""A split of a CSS world: scenes, and queries that lead from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from cirray.datasets.css.config import CssScenesConfig
from cirray.datasets.css.grammar import apply
from cirray.datasets.css.sampling import SceneTable, draw_modification, draw_scene
from cirray.datasets.css.scene import Scene, scene_label
from cirray.datasets.css.split import SPLITS, Split
from cirray.errors import ConfigError

C = TypeVar("C", bound=CssScenesConfig)

_DRAWS = 1000
"""Modifications drawn in vain before a world is held to be impossible."""


@dataclass(frozen=True, slots=True)
class Query:
    """`text` asked of scene `reference` is answered by scene `target`; both index `World.scenes`."""

    reference: int
    text: str
    target: int


@dataclass(frozen=True, slots=True)
class World(Generic[C]):
    """One generated split.

    Attributes:
        config: the settings it was generated from.
        split: which split it is.
        scenes: the base scenes, then the targets: those of modification k (k = 0, 1, ...) start at
            `num_scenes + references_per_modification * k`.
        queries: one per target, in the order of the targets.
        labels: `scene_label` of each scene. A retrieved scene is a hit where its label is that of the target.
    """

    config: C
    split: Split
    scenes: tuple[Scene, ...]
    queries: tuple[Query, ...]
    labels: tuple[str, ...]


def generate(config: C, split: Split) -> World[C]:
    """Return the world of `config` and `split`; the same two give the same world.

    No text is asked twice of the same reference.

    Raises:
        ConfigError: too few of the scenes allow for the modifications asked for.
    """
    # A stream for the scenes and one for the changes, so that more modifications leave the base scenes as they are.
    streams = np.random.SeedSequence(config.seed).spawn(len(SPLITS))[SPLITS.index(split)].spawn(2)
    scene_rng, change_rng = (np.random.default_rng(stream) for stream in streams)
    scenes = [draw_scene(config, split, scene_rng) for _ in range(config.num_scenes)]
    table = SceneTable(scenes)
    base = tuple(scenes)
    queries: list[Query] = []
    asked: set[tuple[str, int]] = set()
    for _ in range(config.num_modifications(split)):
        text, pairs = _place(config, split, base, table, asked, change_rng)
        for reference, target in pairs:
            asked.add((text, reference))
            queries.append(Query(reference, text, len(scenes)))
            scenes.append(target)
    return World(config, split, tuple(scenes), tuple(queries), tuple(scene_label(scene) for scene in scenes))


def _place(
    config: CssScenesConfig,
    split: Split,
    base: tuple[Scene, ...],
    table: SceneTable,
    asked: set[tuple[str, int]],
    rng: np.random.Generator,
) -> tuple[str, list[tuple[int, Scene]]]:
    """Draw modifications until one applies to enough references: its text, and each reference with its target."""
    for _ in range(_DRAWS):
        modification = draw_modification(config, split, rng)
        text = modification.text()
        pairs: list[tuple[int, Scene]] = []
        for reference in rng.permutation(table.candidates(modification)).tolist():
            target = None if (text, reference) in asked else apply(modification, base[reference], split, rng)
            if target is not None:
                pairs.append((reference, target))
            if len(pairs) == config.references_per_modification:
                return text, pairs
    raise ConfigError(
        f"Of {_DRAWS} modifications drawn in a row, none applies to {config.references_per_modification} of the "
        f"{len(base)} {split} scenes that have not had it yet; raise num_scenes, or lower "
        f"{split}_modifications_per_scene or references_per_modification."
    )
