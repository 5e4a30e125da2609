"""The node-local pixel cache: every picture of a dataset decoded once a node, then memory-mapped."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from cirray.datasets.pictures import Pixels, decode, to_pixels
from cirray.datasets.prepared import PreparedDataset
from cirray.errors import StorageError

CACHE_VARIABLE = "CIRRAY_CACHE_DIR"


@dataclass(frozen=True)
class PixelCache:
    """Pixels of all items of a dataset.

    Attributes:
        pixels: (num_items, H, W, 3) uint8, memory-mapped; row i is item i of `PreparedDataset.items`.
    """

    pixels: Pixels


def open_pixels(
    dataset: PreparedDataset, size: tuple[int, int], progress: Callable[[int, int], None] | None = None
) -> PixelCache:
    """Return the pixel cache of `dataset` at `size` (height, width), after filling it if this node has none.

    Only one process of a node fills it, the others wait; a filler that is killed leaves nothing behind that
    anyone would open.

    Args:
        dataset: whose pictures.
        size: height and width in pixels.
        progress: called with (parts done, parts in all) while filling.

    Raises:
        StorageError: the cache folder cannot be written.
    """
    folder = cache_folder()
    name = f"{dataset.fingerprint[:16]}-{size[0]}x{size[1]}"
    target = folder / f"{name}.u8.npy"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{name}.lock"):
            if not target.exists():
                _fill(dataset, size, target, progress)
        return PixelCache(np.load(target, mmap_mode="r"))
    except OSError as error:
        raise StorageError(
            f"The pixel cache {target} cannot be made: {error}.",
            hint=f"Set {CACHE_VARIABLE} to a folder with room.",
        ) from error


def cache_folder() -> Path:
    """Return the folder of this node's caches: `CIRRAY_CACHE_DIR`, or one for this user in the temporary folder."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path(tempfile.gettempdir()) / f"cirray-cache-{os.getuid()}")


def _fill(
    dataset: PreparedDataset,
    size: tuple[int, int],
    target: Path,
    progress: Callable[[int, int], None] | None,
) -> None:
    shape = (dataset.items.num_rows, *size, 3)
    needed, free = int(np.prod(shape)), shutil.disk_usage(target.parent).free
    if needed > free:
        raise OSError(f"{needed:,} bytes are needed where {free:,} are free")
    aside = target.with_name(f"{uuid.uuid4().hex}.partial")
    try:
        pixels = np.lib.format.open_memmap(aside, mode="w+", dtype=np.uint8, shape=shape)
        row = 0
        # Pillow releases the interpreter lock while it decodes, so threads use every core of the node.
        with ThreadPoolExecutor() as pool:
            for done, part in enumerate(dataset.item_parts, start=1):
                images = dataset.part(part, ["image"])["image"].to_pylist()
                for image in pool.map(lambda data: to_pixels(decode(data), *size), images):
                    pixels[row] = image
                    row += 1
                if progress:
                    progress(done, len(dataset.item_parts))
        pixels.flush()
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)
