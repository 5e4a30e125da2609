"""What preparation is measured against: the bare decoder on every core, and torch's loader, on the same files."""

from __future__ import annotations

import io
import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PIL import Image
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from cirray.cluster import usable_cores
from cirray.datasets.pictures import decode_at

WORKERS = 2
WARM_UP = 64
"""Pictures that a pool of processes gets before it is timed."""


def rate(count: int, work: Callable[[], object]) -> float:
    """Return how many of `count` things a second `work` does."""
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def _decode_file(side: int, path: str) -> bytes:
    """Read, decode, scale down and encode a picture, as preparation does by the rule "longest-side"."""
    image, full = decode_at(Path(path).read_bytes(), partial(_fitted, side))
    image = image.resize(_fitted(side, *full), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if path.endswith(".png"):
        image.save(buffer, format="PNG")
    else:
        image.save(buffer, format="JPEG", quality=95)
    return buffer.getvalue()


def _fitted(side: int, width: int, height: int) -> tuple[int, int]:
    share = min(1.0, side / max(width, height))
    return round(width * share), round(height * share)


def decode_alone(files: list[str], side: int) -> float:
    """Return pictures per second of a process for each core; that they start is not counted."""
    work = partial(_decoded_size, side)
    with multiprocessing.get_context("spawn").Pool(usable_cores()) as pool:
        pool.map(work, files[:WARM_UP], chunksize=1)
        return rate(len(files), lambda: pool.map(work, files, chunksize=16))


def _decoded_size(side: int, path: str) -> int:
    return len(_decode_file(side, path))  # only a number travels between the processes


class _Files(TorchDataset[bytes]):
    def __init__(self, files: list[str], side: int) -> None:
        self._files, self._side = files, side

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> bytes:
        return _decode_file(self._side, self._files[index])


def load(files: list[str], side: int) -> float:
    """Return pictures per second of torch's `DataLoader` on the same work; that its workers start is not counted."""
    order = list(range(min(WARM_UP, len(files))))
    loader = DataLoader(
        _Files(files, side),
        batch_size=32,
        sampler=order,
        num_workers=WORKERS,
        collate_fn=list,
        multiprocessing_context="spawn",
        persistent_workers=True,
    )
    sum(1 for _ in loader)
    order[:] = range(len(files))
    return rate(len(files), lambda: sum(1 for _ in loader))
