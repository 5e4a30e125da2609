"""Hashes of pictures: of the file, of the pixels, and of the looks."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from cirray.datasets.pictures import Pixels

FOLD_WORDS = 4096
"""64-bit words to which the pixels of a picture are added up before they are hashed: 32 KiB."""

SAMPLES = 8
"""Pixels across and down that stand for one cell of the difference hash."""


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

    SHA-256 over all of a large picture takes as long as decoding half of it. So its 64-bit words are first added up,
    modulo 2^64, to 32 KiB: the hash of a picture of up to 32 KiB (such as 100 × 100 pixels) is exact, and larger
    ones that differ have the same hash only if their differences cancel out in every sum.
    """
    flat = np.ascontiguousarray(pixels).reshape(-1)
    words = flat[: len(flat) // 8 * 8].view(np.uint64)
    whole = len(words) // FOLD_WORDS * FOLD_WORDS
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.add.reduce(words[:whole].reshape(-1, FOLD_WORDS), axis=0, dtype=np.uint64).tobytes())
    digest.update(words[whole:].tobytes())
    digest.update(flat[len(words) * 8 :].tobytes())
    return digest.hexdigest()[:32]


def difference_hash(pixels: Pixels) -> int:
    """Return the 64-bit difference hash (dHash, Krawetz 2013) of (H, W, 3) uint8 pixels.

    The picture is made grey and 9 × 8 cells large; each bit says whether a cell is brighter than the one to its left.
    """
    rows, columns = pixels.shape[0], pixels.shape[1]
    down = _sampled(rows, 8 * SAMPLES)
    across = _sampled(columns, 9 * SAMPLES)
    small = Image.fromarray(np.ascontiguousarray(pixels[down][:, across])).convert("L")
    cells = np.asarray(small.resize((9, 8), Image.Resampling.BOX)).astype(np.int16)
    bits = np.packbits(cells[:, 1:] > cells[:, :-1])
    return int.from_bytes(bits.tobytes(), "big")


def _sampled(length: int, most: int) -> npt.NDArray[np.int64]:
    """Return the middles of at most `most` equal stretches of a side: reading all of a large picture is slow."""
    count = min(length, most)
    return ((2 * np.arange(count) + 1) * length // (2 * count)).astype(np.int64)
