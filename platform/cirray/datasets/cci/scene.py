"""CCI scenes: objects of five attributes, one a cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, get_args

from cirray.datasets.css import CELLS, COLORS, SIZES
from cirray.datasets.css.scene import Cell, Color, Size
from cirray.datasets.render3d import Form, Material, Pose
from cirray.errors import DataError

FORMS: tuple[Form, ...] = get_args(Form)
MATERIALS: tuple[Material, ...] = get_args(Material)

VALUES: dict[str, tuple[Any, ...]] = {
    "size": SIZES,
    "color": COLORS,
    "material": MATERIALS,
    "form": FORMS,
    "cell": CELLS,
}
"""What each attribute may be."""


@dataclass(frozen=True, slots=True)
class CciObject:
    """One solid. Objects of the same attributes are equal, however they stand in their cell."""

    size: Size
    color: Color
    material: Material
    form: Form
    cell: Cell
    pose: Pose = field(default=Pose(0.0, 0.0, 0.0), compare=False)

    @property
    def cell_index(self) -> int:
        """Index of the cell, row by row."""
        return CELLS.index(self.cell)

    def text(self) -> str:
        """Return the object in words, such as "small red metal cube at top-left"."""
        return f"{self.size} {self.color} {self.material} {self.form} at {self.cell}"


@dataclass(frozen=True, slots=True)
class CciScene:
    """The objects of one picture in the order of their cells: scenes with the same objects are equal.

    Raises:
        DataError: two objects stand in the same cell.
    """

    objects: tuple[CciObject, ...]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.objects, key=lambda o: o.cell_index))
        for one, other in pairwise(ordered):
            if one.cell == other.cell:
                raise DataError(f"A cell holds at most one object; {one.cell} was given {one} and {other}.")
        object.__setattr__(self, "objects", ordered)


def scene_label(scene: CciScene) -> str:
    """Return the canonical name of what a scene shows; scenes that show the same share it."""
    return "|".join(f"{o.cell}:{o.size}-{o.color}-{o.material}-{o.form}" for o in scene.objects) or "empty"


def describe(scene: CciScene) -> str:
    """Return the list of attributes that is the caption of a scene."""
    return ", ".join(o.text() for o in scene.objects) or "no objects"
