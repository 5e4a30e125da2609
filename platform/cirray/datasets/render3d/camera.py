"""A pinhole camera: rays out of it, and points onto its picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cirray.errors import DataError

Vector = tuple[float, float, float]
Floats = NDArray[np.float32]
Directions = tuple[Floats, Floats, Floats]
"""The x, y and z components of many vectors, in arrays of one shape."""

_NEAREST = 1e-3
"""Depth below which a point counts as behind the camera."""


@dataclass(frozen=True)
class Camera:
    """Looks from `position` at `target`; z is up.

    Attributes:
        position: x, y, z.
        target: what is in the middle of the picture.
        half_width: of the picture, at distance one: the tangent of half the horizontal angle of view.
    """

    position: Vector
    target: Vector
    half_width: float

    @cached_property
    def axes(self) -> tuple[Vector, Vector, Vector]:
        """The unit vectors that point forward, right and up.

        Raises:
            DataError: the camera looks straight up or down, or nowhere.
        """
        x, y, z = (t - p for t, p in zip(self.target, self.position, strict=True))
        level, length = math.sqrt(x * x + y * y), math.sqrt(x * x + y * y + z * z)
        if not level:
            raise DataError(f"A camera at {self.position} cannot look at {self.target}: that is straight up or down.")
        forward, right = (x / length, y / length, z / length), (y / level, -x / level, 0.0)
        up = (right[1] * forward[2], -right[0] * forward[2], right[0] * forward[1] - right[1] * forward[0])
        return forward, right, up

    def rays(self, width: int, height: int) -> Directions:
        """Return the direction through the middle of each pixel, each component `(height, width)`.

        A direction is one long along the axis of view, so that the parameter of a ray is a depth.
        """
        across = self.half_width * ((np.arange(width) + 0.5) * (2 / width) - 1)
        down = self.half_width * height / width * (1 - (np.arange(height) + 0.5) * (2 / height))
        x, y, z = (
            ((f + r * across)[None, :] + (u * down)[:, None]).astype(np.float32)
            for f, r, u in zip(*self.axes, strict=True)
        )
        return x, y, z

    def project(self, points: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
        """Return where points fall on a picture of `width` × `height` pixels.

        Args:
            points: `(n, 3)`.
            width: of the picture in pixels.
            height: of the picture in pixels.

        Returns:
            `(n, 2)`: column and row, in pixels from the top left corner; infinite for a point behind the camera.
        """
        offset = points - np.asarray(self.position)
        # Sums of products, written out: a matrix product need not give the same bits on every machine.
        depth, across, rise = (
            offset[:, 0] * axis[0] + offset[:, 1] * axis[1] + offset[:, 2] * axis[2] for axis in self.axes
        )
        visible = depth > _NEAREST
        scale = np.where(visible, width / (2 * self.half_width), np.inf) / np.where(visible, depth, 1.0)
        with np.errstate(invalid="ignore"):
            placed = np.stack([width / 2 + across * scale, height / 2 - rise * scale], axis=1)
        return np.where(visible[:, None], placed, np.inf)
