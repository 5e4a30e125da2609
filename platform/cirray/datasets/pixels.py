"""Pixels of all items of a dataset, row by row; and the node-local cache, decoded once, then memory-mapped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from cirray.datasets.cache_space import CACHE_VARIABLE, CacheSpace, Lease
from cirray.datasets.fitting import Fit
from cirray.datasets.pictures import Pixels, decode, to_pixels
from cirray.datasets.prepared import PreparedDataset
from cirray.errors import StorageError
from cirray.storage import code_fingerprint

Rows = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]


class PixelSource(ABC):
    """Gives pixels of items: row i is item i of `PreparedDataset.items`.

    Attributes:
        kind: "cache" or "stream".
    """

    kind: ClassVar[str]

    @abstractmethod
    def batches(self, batches: Iterable[Rows]) -> Iterator[Pixels]:
        """Yield the pixels, (n, H, W, 3) uint8, of each batch of rows (n,) in turn."""

    def __getitem__(self, rows: Rows) -> Pixels:
        """Return the pixels of `rows`."""
        return next(self.batches([rows]))

    @abstractmethod
    def close(self) -> None:
        """Let go of what the source holds."""


class PixelCache(PixelSource):
    """Pixels in a file that is mapped into memory.

    Attributes:
        pixels: (num_items, H, W, 3) uint8, memory-mapped.
    """

    kind = "cache"

    def __init__(self, pixels: Pixels, lease: Lease | None = None) -> None:
        self.pixels = pixels
        self._lease = lease

    def batches(self, batches: Iterable[Rows]) -> Iterator[Pixels]:
        """Yield the pixels of each batch of rows in turn."""
        for rows in batches:
            yield self.pixels[rows]

    def close(self) -> None:
        """Allow the cache to be evicted."""
        if self._lease:
            self._lease.close()


def open_pixels(
    dataset: PreparedDataset, size: tuple[int, int], progress: Progress | None = None, fit: Fit = "stretch"
) -> PixelCache:
    """Return the pixel cache of `dataset` at `size` (height, width), after filling it if this node has none.

    Only one process of a node fills it, the others wait; what a killed filler left is removed and never opened.
    While the cache that is returned is referred to, nobody evicts it.

    Args:
        dataset: whose pictures.
        size: height and width in pixels.
        progress: called with (parts done, parts in all) while filling.
        fit: how pictures are brought to that size; each way has a cache of its own.

    Raises:
        CacheFullError: it does not fit what the caches of this node may hold.
        StorageError: the cache folder cannot be written.
    """
    # Code that decodes in another way fills a cache of its own.
    code = code_fingerprint("cirray.datasets.fitting", "cirray.datasets.formats", "cirray.datasets.pictures")
    group = f"{dataset.fingerprint[:16]}-{size[0]}x{size[1]}-{fit}-{code[:8]}"
    name = f"{group}.u8.npy"
    try:
        space = CacheSpace.of_node()
        target = space.folder / name
        lease = space.lease(group)
        with space.filling(name):
            if not target.exists():
                _fill(dataset, size, fit, space, name, progress)
        return PixelCache(np.load(target, mmap_mode="r"), lease)
    except (OSError, ValueError) as error:
        # NumPy raises ValueError at a file that is shorter than its header says.
        raise StorageError(
            f"The pixel cache {name} cannot be made: {error}.",
            hint=f"Set {CACHE_VARIABLE} to a folder with room.",
        ) from error


def _fill(
    dataset: PreparedDataset,
    size: tuple[int, int],
    fit: Fit,
    space: CacheSpace,
    name: str,
    progress: Progress | None,
) -> None:
    shape = (dataset.items.num_rows, *size, 3)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    # NumPy pads its headers to a multiple of 64 bytes; this one, with any shape, is 128 bytes long.
    with space.create(name, HEADER_BYTES + int(np.prod(shape))) as file:
        np.lib.format.write_array_header_1_0(file, header)
        if file.tell() != HEADER_BYTES:
            raise OSError(f"NumPy wrote a header of {file.tell()} bytes, where {HEADER_BYTES} were kept for it")
        file.flush()
        pixels = np.memmap(Path(file.name), np.uint8, mode="r+", offset=HEADER_BYTES, shape=shape)
        row = 0
        # Pillow releases the interpreter lock while it decodes, so threads use every core of the node.
        with ThreadPoolExecutor() as pool:
            for done, part in enumerate(dataset.item_parts, start=1):
                images = dataset.part(part, ["image"])["image"].to_pylist()
                for image in pool.map(lambda data: to_pixels(decode(data), *size, fit), images):
                    pixels[row] = image
                    row += 1
                if progress:
                    progress(done, len(dataset.item_parts))
        pixels.flush()


HEADER_BYTES = 128
"""Of a NumPy file, before the pixels."""
