"""Pixels without a cache of them: encoded pictures from this node's disk, decoded ahead of who asks."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import pyarrow as pa

from cirray.datasets.cache_space import CacheFullError, CacheSpace
from cirray.datasets.fitting import Fit
from cirray.datasets.mirror import Mirror
from cirray.datasets.pictures import Pixels, decode, to_pixels
from cirray.datasets.pixels import PixelSource, Progress, Rows, open_pixels
from cirray.datasets.prepared import PreparedDataset

WINDOW_BYTES = 256 << 20
"""Encoded pictures that are looked for together: from a part that is not on this node's disk, all at once."""

AHEAD = 2
"""Batches that are decoded while one is being used."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Image:
    """One encoded picture: a place in a mapped part, or bytes."""

    place: tuple[pa.ChunkedArray, int] | bytes

    def read(self) -> bytes:
        if isinstance(self.place, bytes):
            return self.place
        images, row = self.place
        return bytes(images[row].as_py())


_Found = tuple[list[Rows], dict[int, _Image]]


class PixelStream(PixelSource):
    """Decodes pictures whenever they are asked for, in threads, ahead of who asks.

    Args:
        dataset: whose pictures.
        size: height and width in pixels.
        mirror: their encoded form.
        threads: that decode.
        window_bytes: of encoded pictures that are looked for together.
        fit: how pictures are brought to that size.
    """

    kind = "stream"

    def __init__(
        self,
        dataset: PreparedDataset,
        size: tuple[int, int],
        mirror: Mirror,
        threads: int | None = None,
        window_bytes: int = WINDOW_BYTES,
        fit: Fit = "stretch",
    ) -> None:
        entries = [dataset.artifact.entry(name) for name in dataset.item_parts]
        self._size = size
        self._fit = fit
        self._mirror = mirror
        self._threads = threads or os.cpu_count() or 1
        self._starts = np.cumsum([0, *(entry.rows or 0 for entry in entries)])
        mean = sum(entry.bytes for entry in entries) / max(1, self._starts[-1])
        self._window_rows = max(1, int(window_bytes / max(1.0, mean)))

    def batches(self, batches: Iterable[Rows]) -> Iterator[Pixels]:
        """Yield the pixels of each batch of rows in turn; those that follow are being decoded meanwhile."""
        with ThreadPoolExecutor(self._threads) as decoders, ThreadPoolExecutor(1) as finder:
            windows = self._windows(iter(batches))
            pending: deque[tuple[Pixels, list[Future[None]]]] = deque()
            found = _submit(finder, self._find, next(windows, None))
            while found is not None:
                window, images = found.result()
                # The next window is looked for while this one is used.
                found = _submit(finder, self._find, next(windows, None))
                for rows in window:
                    pending.append(self._start(decoders, rows, images))
                    if len(pending) > AHEAD:
                        yield _finish(*pending.popleft())
            while pending:
                yield _finish(*pending.popleft())

    def close(self) -> None:
        """Let go of the mirror."""
        self._mirror.close()

    def _windows(self, batches: Iterator[Rows]) -> Iterator[list[Rows]]:
        """Yield runs of batches, as many as the window holds, and at least one."""
        while first := list(islice(batches, 1)):
            yield [*first, *islice(batches, max(0, self._window_rows // max(1, len(first[0])) - 1))]

    def _find(self, window: list[Rows]) -> _Found:
        """Return a window with the encoded pictures of its rows; each part is asked for once."""
        rows = np.unique(np.concatenate(window))
        parts = np.searchsorted(self._starts, rows, side="right") - 1
        found: dict[int, _Image] = {}
        for part in np.unique(parts).tolist():
            images, mapped = self._mirror.images(part)
            start = int(self._starts[part])
            for row in rows[parts == part].tolist():
                place = (images, row - start)
                found[row] = _Image(place if mapped else _Image(place).read())
        return window, found

    def _start(
        self, decoders: ThreadPoolExecutor, rows: Rows, images: dict[int, _Image]
    ) -> tuple[Pixels, list[Future[None]]]:
        pixels = np.empty((len(rows), *self._size, 3), np.uint8)

        def fill(image: _Image, places: Rows) -> None:
            pixels[places] = to_pixels(decode(image.read()), *self._size, self._fit)

        distinct, inverse = np.unique(rows, return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        places = np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1) if len(rows) else []
        pairs = zip(distinct.tolist(), places, strict=True)
        return pixels, [decoders.submit(fill, images[row], where) for row, where in pairs]


def open_source(
    dataset: PreparedDataset,
    size: tuple[int, int],
    how: Literal["auto", "cache", "stream"] = "auto",
    *,
    fit: Fit = "stretch",
    threads: int | None = None,
    progress: Progress | None = None,
) -> PixelSource:
    """Return the pixels of `dataset` at `size` (height, width), by whatever way `how` says.

    Args:
        dataset: whose pictures.
        size: height and width in pixels.
        how: "cache" decodes each picture once a node, "stream" whenever it is asked for; "auto" takes the cache
            where it fits what the caches of this node may hold. Both give the same pixels.
        fit: how pictures are brought to that size.
        threads: that decode for a stream; by default one for each core.
        progress: called with (parts done, parts in all) while a cache is filled.

    Raises:
        CacheFullError: `how` is "cache", and it does not fit.
        StorageError: the cache folder cannot be written.
    """
    if how != "stream":
        try:
            return open_pixels(dataset, size, progress, fit)
        except CacheFullError as error:
            if how == "cache":
                raise
            _LOG.warning("Pictures of %s are streamed. %s", dataset.name, error)
    return PixelStream(dataset, size, Mirror(dataset, CacheSpace.of_node()), threads, fit=fit)


def _submit(
    pool: ThreadPoolExecutor, find: Callable[[list[Rows]], _Found], window: list[Rows] | None
) -> Future[_Found] | None:
    return None if window is None else pool.submit(find, window)


def _finish(pixels: Pixels, futures: list[Future[None]]) -> Pixels:
    for future in futures:
        future.result()
    return pixels
