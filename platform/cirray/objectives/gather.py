"""Negatives from the other workers, with their gradients."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather


def gather(rows: Tensor) -> tuple[Tensor, int]:
    """Return the rows (W·B, D) of all W workers in the order of their ranks, and where this worker's begin.

    The gradient flows back to the worker that a row came from. All workers must have the same number of rows.
    With the mean over the own rows as each worker's loss, the workers' averaged gradients are those of one worker
    with the whole batch. Without a process group the rows are returned as they are.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return rows, 0
    gathered = torch.cat(all_gather(rows.contiguous()))
    return gathered, dist.get_rank() * len(rows)
