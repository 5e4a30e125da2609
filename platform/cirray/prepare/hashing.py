"""Hashes of pictures: of the file, of the pixels, and of the looks."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import xxhash
from PIL import Image

from cirray.datasets.pictures import Pixels

SAMPLES = 8
"""Pixels across and down, where there are so many, of which one cell of the difference hash is the mean."""


class PictureHashes(NamedTuple):
    """Hashes of one picture, as in schema `HASHES`."""

    bytes: str
    pixels: str
    perceptual: int


def hash_picture(data: bytes, image: Image.Image) -> PictureHashes:
    """Return the hashes of a file and of the RGB picture that it was decoded (and scaled) to."""
    pixels = np.asarray(image)
    return PictureHashes(hashlib.sha256(data).hexdigest(), hash_pixels(pixels), difference_hash(pixels))


def hash_pixels(pixels: Pixels) -> str:
    """Return a hash, in hex, of the shape and content of (H, W, 3) uint8 pixels.

    XXH3 of 128 bits: pixels are many bytes, and what tells them apart need not withstand forgers.
    """
    digest = xxhash.xxh3_128(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def difference_hash(pixels: Pixels) -> int:
    """Return the 64-bit difference hash (dHash, Krawetz 2013) of (H, W, 3) uint8 pixels.

    The picture is made grey and 9 × 8 cells large; each bit says whether a cell is brighter than the one to its left.
    Of a large picture only evenly spaced pixels are looked at, since all of them would take long.
    """
    down, across = max(1, pixels.shape[0] // (8 * SAMPLES)), max(1, pixels.shape[1] // (9 * SAMPLES))
    # Taken as one value of three bytes each: NumPy is slow to copy three values here and three there.
    points = np.ascontiguousarray(pixels).view("V3")[down // 2 :: down, across // 2 :: across, 0]
    sample = Image.frombytes("RGB", points.shape[::-1], points.tobytes())
    cells = sample.convert("L").resize((9, 8), Image.Resampling.BOX).tobytes()
    bits = 0
    for at in range(72):
        if at % 9:
            bits = bits << 1 | (cells[at] > cells[at - 1])
    return bits
