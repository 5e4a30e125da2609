"""Random base scenes, random modifications, and the scenes that hold what a modification is about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cirray.datasets.css.config import CssScenesConfig
from cirray.datasets.css.draw import pick
from cirray.datasets.css.grammar import KINDS, Modification
from cirray.datasets.css.scene import CELLS, CENTERS, COLORS, SHAPES, SIZES, Scene, SceneObject
from cirray.datasets.css.split import PERMITTED, Split

_EMPTY = -1


def draw_scene(config: CssScenesConfig, split: Split, rng: np.random.Generator) -> Scene:
    """Return a base scene: a uniform number of objects in distinct cells, their attributes uniform."""
    count = int(rng.integers(config.min_objects, config.max_objects + 1))
    objects = []
    for index in rng.permutation(len(CELLS))[:count]:
        shape = pick(SHAPES, rng)
        color = pick(PERMITTED[split][shape], rng)
        objects.append(SceneObject(shape, color, pick(SIZES, rng), CENTERS[CELLS[index]]))
    return Scene(tuple(objects))


def draw_modification(config: CssScenesConfig, split: Split, rng: np.random.Generator) -> Modification:
    """Return a change that names at least one attribute, and no shape-colour pair that `split` forbids.

    One that names none is not drawn, since "remove object" would empty every scene alike.
    """
    weights = np.array([config.add_weight, config.remove_weight, config.make_weight])
    kind = KINDS[int(rng.choice(len(KINDS), p=weights / weights.sum()))]
    named = rng.random(4) < config.selector_probability
    if not named.any():
        named[rng.integers(4)] = True
    cell = pick(CELLS, rng) if named[0] else None
    size = pick(SIZES, rng) if named[1] else None
    shape = pick(SHAPES, rng) if named[2] else None
    colors = PERMITTED[split][shape] if shape else COLORS
    color = pick(colors, rng) if named[3] else None
    if kind != "make":
        return Modification(kind, cell, size, color, shape)
    if rng.random() < config.new_color_probability:
        new_color = pick([other for other in colors if other != color], rng)
        return Modification(kind, cell, size, color, shape, new_color=new_color)
    return Modification(kind, cell, size, color, shape, new_size=pick([s for s in SIZES if s != size], rng))


class SceneTable:
    """The objects of many scenes as arrays, to find those that a modification may be about without a Python loop."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        shape = (len(scenes), len(CELLS))
        self._shape, self._color, self._size = (np.full(shape, _EMPTY, dtype=np.int8) for _ in range(3))
        for row, scene in enumerate(scenes):
            for o in scene.objects:
                self._shape[row, o.cell_index] = SHAPES.index(o.shape)
                self._color[row, o.cell_index] = COLORS.index(o.color)
                self._size[row, o.cell_index] = SIZES.index(o.size)

    def candidates(self, modification: Modification) -> NDArray[np.intp]:
        """Return the rows, ascending, of the scenes with an object that fits (for an add: with a free place).

        Necessary for `grammar.apply` to succeed, not sufficient.
        """
        m = modification
        cells = slice(None) if m.cell is None else [CELLS.index(m.cell)]
        here = self._shape[:, cells]
        if m.kind == "add":
            return np.flatnonzero((here == _EMPTY).any(axis=1))
        fits = here != _EMPTY if m.shape is None else here == SHAPES.index(m.shape)
        if m.color is not None:
            fits &= self._color[:, cells] == COLORS.index(m.color)
        if m.size is not None:
            fits &= self._size[:, cells] == SIZES.index(m.size)
        return np.flatnonzero(fits.any(axis=1))
