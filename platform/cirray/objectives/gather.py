"""Negatives from the other workers, with their gradients."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function


def gather(rows: Tensor) -> tuple[Tensor, int]:
    """Return the rows (W·B, D) of all W workers in the order of their ranks, and where this worker's begin.

    The gradient flows back to the worker that a row came from. All workers must have the same number of rows.
    With the mean over the own rows as each worker's loss, the workers' averaged gradients are those of one worker
    with the whole batch. Without a process group the rows are returned as they are.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return rows, 0
    gathered: Tensor = _Gather.apply(rows)
    return gathered, dist.get_rank() * len(rows)


class _Gather(Function):
    """Gathers rows, and sends the sum of all workers' gradients of a row back: one collective in each direction.

    torch's own `all_gather` with gradients is deprecated, and on gloo scatters from each worker in turn.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        everyone = rows.new_empty(dist.get_world_size() * len(rows), *rows.shape[1:])
        dist.all_gather_into_tensor(everyone, rows.contiguous())
        return everyone

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        everyone = gradients[0].contiguous()
        own = everyone.new_empty(len(everyone) // dist.get_world_size(), *everyone.shape[1:])
        dist.reduce_scatter_tensor(own, everyone)
        return own
