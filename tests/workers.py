"""Real processes that work together, for tests of what several workers must agree on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import FileStore  # type: ignore[attr-defined]  # torch does not list it
from torch.multiprocessing.spawn import spawn

from cirray.training.world import World

Work = Callable[[World], dict[str, Any]]


def run_workers(work: Work, folder: Path, sizes: tuple[int, ...] = (2,)) -> dict[int, list[dict[str, Any]]]:
    """Return what `work`, a function of a module, returns in each of so many processes, by their ranks.

    For each of `sizes` in turn; the smaller ones are some of the processes of the largest, which start but once.
    """
    spawn(_worker, (work, sizes, str(folder)), nprocs=max(sizes))
    return {
        size: [torch.load(folder / f"{rank}-of-{size}.pt", weights_only=True) for rank in range(size)]
        for size in sizes
    }


def _worker(rank: int, work: Work, sizes: tuple[int, ...], folder: str) -> None:
    torch.set_num_threads(1)
    for size in sizes:
        if rank < size:
            store = FileStore(f"{folder}/store-{size}", size)
            dist.init_process_group("gloo", store=store, rank=rank, world_size=size)
            torch.save(work(World(rank, size)), f"{folder}/{rank}-of-{size}.pt")
            dist.destroy_process_group()
