"""What preparation is measured against: the bare decoder on every core, with no library around it but Pillow.

Kept apart from all that imports torch, so that its processes start quickly.
"""

from __future__ import annotations

import io
import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PIL import Image

from cirray.cluster import usable_cores
from cirray.prepare.allocation import keep_freed_memory

WARM_UP = 64
"""Pictures that a pool of processes gets before it is timed."""

JPEG_QUALITY = 95


def rate(count: int, work: Callable[[], object]) -> float:
    """Return how many of `count` things a second `work` does."""
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def scale_file(side: int, path: str) -> bytes:
    """Read a picture, decode it, scale its longest side down to `side`, encode it, and do nothing besides.

    These are the pixels that preparation works on by the rule "longest-side", without its checks, its hashes, and
    the orientation that a camera noted.
    """
    image: Image.Image = Image.open(io.BytesIO(Path(path).read_bytes()))
    size = _fitted(side, *image.size)
    image.draft(None, size)
    kind = "PNG" if image.format == "PNG" else "JPEG"
    scaled = _in_rgb(image).resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    scaled.save(buffer, format=kind, quality=JPEG_QUALITY)
    return buffer.getvalue()


def decode_file(path: str) -> Image.Image:
    """Read a picture and decode it."""
    return _in_rgb(Image.open(io.BytesIO(Path(path).read_bytes())))


def _in_rgb(image: Image.Image) -> Image.Image:
    image.load()
    return image if image.mode == "RGB" else image.convert("RGB")  # which copies whatever it is given


def decode_alone(files: list[str], side: int | None) -> float:
    """Return pictures per second of a process for each core, all at work at once; that they start is not counted.

    Measured together, since cores share memory, caches and clock: one core's rate times their number is more than
    they reach. With memory kept as preparation keeps it, or else the system would be measured.

    Args:
        files: pictures.
        side: to which they are scaled, and then encoded; None where they are only decoded.
    """
    work = _decoded_size if side is None else partial(_scaled_size, side)
    with multiprocessing.get_context("spawn").Pool(usable_cores(), keep_freed_memory) as pool:
        pool.map(work, files[:WARM_UP], chunksize=1)
        return rate(len(files), lambda: pool.map(work, files, chunksize=16))


def _fitted(side: int, width: int, height: int) -> tuple[int, int]:
    share = min(1.0, side / max(width, height))
    return max(1, round(width * share)), max(1, round(height * share))


def _scaled_size(side: int, path: str) -> int:
    return len(scale_file(side, path))  # only a number travels between the processes


def _decoded_size(path: str) -> int:
    return decode_file(path).width
