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


def run_workers(work: Work, size: int, folder: Path) -> list[dict[str, Any]]:
    """Return what `work`, a function of a module, returns in each of `size` processes, by their ranks."""
    place = folder / f"{work.__name__}-{size}"
    place.mkdir()
    spawn(_worker, (work, size, str(place)), nprocs=size)
    return [torch.load(place / f"{rank}.pt", weights_only=True) for rank in range(size)]


def _worker(rank: int, work: Work, size: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", store=FileStore(f"{folder}/store", size), rank=rank, world_size=size)
    torch.save(work(World(rank, size)), f"{folder}/{rank}.pt")
    dist.destroy_process_group()
