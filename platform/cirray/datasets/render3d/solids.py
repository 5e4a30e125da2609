"""Cubes, spheres and cylinders that stand on the ground, and where rays enter them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cirray.datasets.render3d.camera import Directions, Floats

Form = Literal["cube", "sphere", "cylinder"]
Material = Literal["rubber", "metal"]


@dataclass(frozen=True, slots=True)
class Solid:
    """One solid on the ground z = 0.

    Attributes:
        form: a cylinder stands upright.
        x: of the middle, to the right as the camera sees it.
        y: of the middle, away from the camera.
        radius: of the sphere and the cylinder, which is as high as wide; half the diagonal of a cube's face.
        turn: about the vertical, in radians.
        rgb: colour, 0 to 255.
        material: rubber is matt, metal reflects.
    """

    form: Form
    x: float
    y: float
    radius: float
    turn: float
    rgb: tuple[int, int, int]
    material: Material = "rubber"

    @property
    def half(self) -> float:
        """Half the height, which is also the height of the middle above the ground."""
        return self.radius / math.sqrt(2) if self.form == "cube" else self.radius

    def corners(self) -> NDArray[np.float64]:
        """Return the corners `(8, 3)` of an upright box that holds the solid."""
        return np.array(
            [
                (self.x + i * self.radius, self.y + j * self.radius, z)
                for i in (-1, 1)
                for j in (-1, 1)
                for z in (0.0, 2 * self.half)
            ]
        )

    def local(self, x: Floats, y: Floats, z: Floats) -> Directions:
        """Return points in the frame of the solid: its middle is zero, and the sides of a cube lie along the axes."""
        return self.turned(x - np.float32(self.x), y - np.float32(self.y), z - np.float32(self.half))

    def turned(self, x: Floats, y: Floats, z: Floats, back: bool = False) -> Directions:
        """Return directions in the frame of the solid, or `back` from it; only a cube has a turn that shows."""
        if self.form != "cube":
            return x, y, z
        cosine, sine = np.float32(math.cos(self.turn)), np.float32(math.sin(-self.turn if back else self.turn))
        return cosine * x + sine * y, cosine * y - sine * x, z

    def span(self, origin: Directions, direction: Directions) -> tuple[Floats, Floats]:
        """Return where rays enter the solid and where they leave it, as multiples of their directions.

        Args:
            origin: of the rays, in the frame of the solid.
            direction: of the rays, in the frame of the solid.

        Returns:
            A ray meets the solid where the first is less than the second.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.form == "sphere":
                return _round(origin, direction, self.radius, 3)
            half = np.float32(self.half)
            if self.form == "cylinder":
                spans = [_round(origin, direction, self.radius, 2), _slab(origin[2], direction[2], half)]
            else:
                spans = [_slab(o, d, half) for o, d in zip(origin, direction, strict=True)]
        enter, leave = spans[0]
        for further in spans[1:]:
            enter, leave = np.maximum(enter, further[0]), np.minimum(leave, further[1])
        return enter, leave

    def normals(self, x: Floats, y: Floats, z: Floats) -> Directions:
        """Return the unit normals at points of the surface, which are in the frame of the solid."""
        scale = np.float32(1 / self.half)
        if self.form == "sphere":
            return x * scale, y * scale, z * scale
        if self.form == "cylinder":
            out = np.sqrt(x * x + y * y)
            lid = np.abs(z) >= out  # as high as wide: the surface is where either reaches the radius
            side = np.where(lid, np.float32(0), 1 / np.maximum(out, np.float32(1e-6)))
            return x * side, y * side, np.where(lid, np.sign(z), np.float32(0))
        widest = np.maximum(np.maximum(np.abs(x), np.abs(y)), np.abs(z))
        on_x = np.abs(x) >= widest
        on_y = ~on_x & (np.abs(y) >= widest)
        zero = np.float32(0)
        return (
            np.where(on_x, np.sign(x), zero),
            np.where(on_y, np.sign(y), zero),
            np.where(on_x | on_y, zero, np.sign(z)),
        )


def _slab(origin: Floats, direction: Floats, half: np.float32) -> tuple[Floats, Floats]:
    """Return where rays enter and leave the space between two parallel planes."""
    scale: Floats = np.divide(1, direction)
    middle, reach = -origin * scale, half * np.abs(scale)
    return middle - reach, middle + reach


def _round(origin: Directions, direction: Directions, radius: float, axes: int) -> tuple[Floats, Floats]:
    """Return where rays enter and leave a sphere (`axes` 3) or an endless upright cylinder (2)."""
    (ox, oy, oz), (dx, dy, dz) = origin, direction
    square, along, out = dx * dx + dy * dy, ox * dx + oy * dy, ox * ox + oy * oy
    if axes == 3:
        square, along, out = square + dz * dz, along + oz * dz, out + oz * oz
    scale: Floats = np.divide(1, square)
    middle = -along * scale
    # A ray that misses has a negative square here: its root is NaN, which is less than nothing.
    reach = np.sqrt(middle * middle - (out - np.float32(radius * radius)) * scale)
    return middle - reach, middle + reach
