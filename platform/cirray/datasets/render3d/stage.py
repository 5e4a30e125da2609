"""A 3x3 grid of places on the ground, and the pictures of what stands on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cirray.datasets.render3d.render import render
from cirray.datasets.render3d.solids import Form, Material, Solid
from cirray.datasets.render3d.studio import StudioConfig

StageSize = Literal["small", "large"]

RADII: Mapping[StageSize, float] = {"small": 0.35, "large": 0.7}
"""CLEVR's."""

CLEVR_RGB: Mapping[str, tuple[int, int, int]] = {
    "gray": (87, 87, 87),
    "red": (173, 35, 35),
    "blue": (42, 75, 215),
    "green": (29, 105, 20),
    "brown": (129, 74, 25),
    "purple": (129, 38, 192),
    "cyan": (41, 208, 208),
    "yellow": (255, 238, 51),
}
"""CLEVR's colours; the 2D renderer of CSS has a brighter red and green."""

GRID = 3


@dataclass(frozen=True, slots=True)
class Pose:
    """How an object stands in its cell: shifted from the middle, as a share of the most it may be, and turned."""

    right: float
    back: float
    turn: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Pose:
        """Return a random pose; shifts from -1 to 1, the turn in radians."""
        right, back, turn = rng.random(3).tolist()
        return cls(2 * right - 1, 2 * back - 1, 2 * float(np.pi) * turn)


@dataclass(frozen=True, slots=True)
class Standing:
    """One object on the grid: `cell` counts row by row, from the far left to the near right."""

    form: Form
    color: str
    size: StageSize
    material: Material
    cell: int
    pose: Pose


class StageConfig(StudioConfig):
    """Studio and grid.

    No source gives the values: both are our own choice. They are such that objects of two cells never touch.

    Attributes:
        spacing: from the middle of a cell to that of the next.
        position_jitter: most that an object stands off the middle of its cell on each axis.
    """

    spacing: float = Field(default=2.2, gt=0, le=4)
    position_jitter: float = Field(default=0.2, ge=0, le=1)

    @model_validator(mode="after")
    def _apart(self) -> StageConfig:
        needed = 2 * RADII["large"] + 2 * self.position_jitter
        if self.spacing < needed:
            raise ValueError(f"spacing ({self.spacing}) must be at least {needed:.2f}, or objects touch")
        return self

    def solid(self, standing: Standing) -> Solid:
        """Return an object as a solid in the coordinates of the studio."""
        row, column = divmod(standing.cell, GRID)
        pose, reach = standing.pose, self.position_jitter
        return Solid(
            form=standing.form,
            x=(column - 1) * self.spacing + reach * pose.right,
            y=(1 - row) * self.spacing + reach * pose.back,
            radius=RADII[standing.size],
            turn=pose.turn,
            rgb=CLEVR_RGB[standing.color],
            material=standing.material,
        )

    def picture(self, objects: Iterable[Standing], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Return the picture `(height, width, 3)` RGB of the objects; `rng` jitters camera and lights."""
        solids = [self.solid(standing) for standing in objects]
        return render(solids, self.studio(rng), self.width, self.height, self.antialias)
