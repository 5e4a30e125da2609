"""What a CSS picture shows: coloured shapes of two sizes in the cells of a 3x3 grid.

The attribute values, the grid and the RGB values are those of the released CSS data and of its 2D renderer
(TIRG, arXiv:1812.07119; its 3D rectangle, circle and triangle are CLEVR's cube, sphere and cylinder).

Own choice, since no source states it: a cell holds at most one object, and generated objects stand in the middle of
their cell. Objects therefore never overlap, and the order in which they are drawn cannot be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from cirray.errors import DataError

Shape = Literal["rectangle", "circle", "triangle"]
Color = Literal["gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"]
Size = Literal["small", "large"]
Cell = Literal[
    "top-left",
    "top-center",
    "top-right",
    "middle-left",
    "middle-center",
    "middle-right",
    "bottom-left",
    "bottom-center",
    "bottom-right",
]

SHAPES: tuple[Shape, ...] = get_args(Shape)
COLORS: tuple[Color, ...] = get_args(Color)
SIZES: tuple[Size, ...] = get_args(Size)
CELLS: tuple[Cell, ...] = get_args(Cell)
"""Names of the cells, row by row."""

RGB: dict[Color, tuple[int, int, int]] = {
    "gray": (87, 87, 87),
    "red": (244, 35, 35),
    "blue": (42, 75, 215),
    "green": (29, 205, 20),
    "brown": (129, 74, 25),
    "purple": (129, 38, 192),
    "cyan": (41, 208, 208),
    "yellow": (255, 238, 51),
}
"""Red, green and blue of each colour, 0 to 255."""

CENTERS: dict[Cell, tuple[float, float]] = {
    cell: ((index // 3 + 0.5) / 3, (index % 3 + 0.5) / 3) for index, cell in enumerate(CELLS)
}
"""(row, column) of the middle of each cell, as fractions of the picture."""


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One shape; `position` is the (row, column) of its middle, as fractions of the picture from the top left."""

    shape: Shape
    color: Color
    size: Size
    position: tuple[float, float]

    @property
    def cell_index(self) -> int:
        """Index into `CELLS` of the cell that the middle lies in."""
        row, column = self.position
        return 3 * min(int(row * 3), 2) + min(int(column * 3), 2)

    @property
    def cell(self) -> Cell:
        """Name of the cell that the middle lies in, such as "top-left"."""
        return CELLS[self.cell_index]


@dataclass(frozen=True, slots=True)
class Scene:
    """The objects of one picture, kept in the order of their cells: scenes with the same objects are equal.

    Raises:
        DataError: two objects lie in the same cell.
    """

    objects: tuple[SceneObject, ...]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.objects, key=lambda o: o.cell_index))
        for one, other in pairwise(ordered):
            if one.cell_index == other.cell_index:
                raise DataError(f"A cell holds at most one object; {one.cell} was given {one} and {other}.")
        object.__setattr__(self, "objects", ordered)


def scene_label(scene: Scene) -> str:
    """Return the canonical name of what a scene shows; scenes that show the same share it.

    Reads like "top-left:large-red-circle|bottom-right:small-gray-rectangle", cells row by row, and "empty" for a
    scene without objects. The place within a cell does not count, since no text can speak about it.
    """
    return "|".join(f"{o.cell}:{o.size}-{o.color}-{o.shape}" for o in scene.objects) or "empty"


def describe(scene: Scene) -> str:
    """Return a caption for people, such as "a large red circle at top-left, a small gray rectangle at ..."."""
    return ", ".join(f"a {o.size} {o.color} {o.shape} at {o.cell}" for o in scene.objects) or "no objects"
