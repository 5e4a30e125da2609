"""A peer that preparation is measured against: torch's loader, on the same files and the same work."""

from __future__ import annotations

from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from cirray.cli.benchmark_decoders import WARM_UP, rate, scale_file

WORKERS = 2


class _Files(TorchDataset[bytes]):
    def __init__(self, files: list[str], side: int) -> None:
        self._files, self._side = files, side

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> bytes:
        return scale_file(self._side, self._files[index])


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
