"""Where a process stands among the workers of a run."""

from __future__ import annotations

from dataclasses import dataclass

import torch

CPU = torch.device("cpu")


@dataclass(frozen=True)
class World:
    """Where this process stands among the workers.

    Attributes:
        rank: of this worker, from 0.
        size: number of workers.
        device: that this worker computes on.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = CPU
