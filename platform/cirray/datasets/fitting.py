"""From a picture of any size to one of a given size: which part of it is seen, and what is put beside it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

Fit = Literal["stretch", "crop", "pad", "target-pad"]
"""How a picture is brought to a size (height, width).

- "stretch": its height and width are scaled apart, so that its shape is lost (VAL's code).
- "crop": it is scaled to cover the size, and what is over at two opposite ends is left out. For a square, its
  shorter side becomes the square's: TIRG's code.
- "pad": it is scaled to fit within the size, and what is missing at two opposite ends mirrors what stands there. For
  a square, RTIC's code.
- "target-pad": as "crop", but a picture that would be more than `TARGET_RATIO` times too long gets black at its long
  sides until it is just that: CLIP4Cir's code, for a square.
"""

TARGET_RATIO = 1.25


def window(size: tuple[int, int], target: tuple[int, int], fit: Fit) -> tuple[float, float]:
    """Return the height and width, in pixels of a picture, of what is seen of it; its centre is the picture's.

    Where it is larger than the picture, what is seen beside that is made up.

    Args:
        size: height and width of the picture.
        target: height and width that it is brought to.
        fit: how.
    """
    if fit == "stretch":
        return size
    # Pixels of the picture to one of the target, along the height and along the width.
    short, long = sorted((size[0] / target[0], size[1] / target[1]))
    scale = {"crop": short, "pad": long, "target-pad": max(short, long / TARGET_RATIO)}[fit]
    return target[0] * scale, target[1] * scale


def fitted(image: Image.Image, height: int, width: int, fit: Fit) -> npt.NDArray[np.uint8]:
    """Return an RGB picture as (height, width, 3) uint8, brought to that size as `fit` says (bilinear).

    Own choice: what is left out is cut off before scaling and what is put beside comes after it, where the released
    codes may do the reverse. The result differs by less than a pixel's shift, and a picture of a million by one
    pixels takes no more memory than any. Own choice: bilinear for all, where RTIC and CLIP4Cir have bicubic, so that
    a fit says what is seen and nothing else.
    """
    if image.size == (width, height):
        return np.asarray(image, dtype=np.uint8)
    seen = window((image.height, image.width), (height, width), fit)
    top, bottom, rows = _along(image.height, seen[0], height)
    left, right, columns = _along(image.width, seen[1], width)
    scaled = image.resize((columns, rows), Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    pixels = np.asarray(scaled, dtype=np.uint8)
    margins = [((total - part) // 2, (total - part + 1) // 2) for total, part in ((height, rows), (width, columns))]
    if margins == [(0, 0), (0, 0)]:
        return pixels
    return np.pad(pixels, [*margins, (0, 0)], mode="symmetric" if fit == "pad" else "constant")


def _along(length: int, seen: float, target: int) -> tuple[float, float, int]:
    """Return, along one axis, from where to where a picture is taken, and how many pixels become of it."""
    taken = min(float(length), seen)
    start = (length - taken) / 2
    return start, start + taken, max(1, round(target * taken / seen))
