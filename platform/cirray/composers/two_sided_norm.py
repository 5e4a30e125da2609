"""Batch norm for layers that queries and gallery pictures share."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Side = Literal["queries", "gallery"]


class TwoSidedNorm(nn.Module):
    """Batch norm with one scale and shift for both sides, and running statistics of each.

    In training each side is normalised by the statistics of its own batch. Were the running statistics shared, they
    would be those of a mixture, and vectors in evaluation would lie elsewhere than those that were trained.

    Args:
        size: of the vectors.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))
        self.queries = nn.BatchNorm1d(size, affine=False)
        self.gallery = nn.BatchNorm1d(size, affine=False)

    def forward(self, vectors: Tensor, side: Side) -> Tensor:
        """Return `vectors` (B, D), normalised as vectors of that side."""
        normal: Tensor = self.queries(vectors) if side == "queries" else self.gallery(vectors)
        return normal * self.weight + self.bias
