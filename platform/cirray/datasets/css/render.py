"""The 2D renderer of CSS: flat shapes on white."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cirray.datasets.css.scene import RGB, Scene, Shape, Size


def render(scene: Scene, size: int = 64, round_circles: bool = False) -> NDArray[np.uint8]:
    """Return the picture of `scene`, `(size, size, 3)` RGB, 0 to 255.

    After the released renderer: half-widths of 1/16 (small) and 1/8 (large) of the picture, and a circle is drawn as
    a diamond unless `round_circles`. Our own choice is the exact pixel grid: an object is laid around the pixel that
    its middle falls into, both ends included, and what reaches over the border is cut off.
    """
    image = np.full((size, size, 3), 255, dtype=np.uint8)
    for o in scene.objects:
        stamp = _stamp(o.shape, o.size, size, round_circles)
        half = len(stamp) // 2
        row, column = (min(int(part * size), size - 1) for part in o.position)
        top, left = max(row - half, 0), max(column - half, 0)
        bottom, right = min(row + half + 1, size), min(column + half + 1, size)
        visible = stamp[top - row + half : bottom - row + half, left - column + half : right - column + half]
        image[top:bottom, left:right][visible] = RGB[o.color]
    return image


@lru_cache(maxsize=256)
def _stamp(shape: Shape, size: Size, image_size: int, round_circles: bool) -> NDArray[np.bool_]:
    """Return the pixels that a shape covers, `(2 * half + 1, 2 * half + 1)`."""
    half = image_size // (8 if size == "large" else 16)
    down, across = np.mgrid[-half : half + 1, -half : half + 1]
    if shape == "rectangle":
        return np.ones(down.shape, dtype=np.bool_)
    if shape == "triangle":  # apex at the top, as wide as high at the bottom
        return np.asarray(2 * np.abs(across) <= down + half)
    if round_circles:
        return np.asarray(down**2 + across**2 <= half * (half + 1))  # radius half + 1/2
    return np.asarray(np.abs(across) + np.abs(down) <= half)
