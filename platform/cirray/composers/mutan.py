"""MUTAN: a bilinear product of two vectors, of low rank."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor, nn


class Mutan(nn.Module):
    """Sum over ranks of products of projections, its signed root normalised and projected.

    Ben-younes et al., "MUTAN: Multimodal Tucker Fusion for Visual Question Answering" (ICCV 2017), in the form of
    CurlingNet's released code: with x and y (B, D), reduced to x' and y' by linear layers and dropout,

        m = Σ_{r ≤ R} (U_r x' + b_r) ⊙ (V_r y' + c_r)
        out = W · n/‖n‖,   n = sign(m) ⊙ √|m|

    That code leaves dropout on in evaluation, so that its answers change from call to call; here it is off.

    Args:
        dim: D, and the size of the reduced vectors, m and out.
        rank: R.
        dropout: share of the reduced vectors' values that are dropped in training.
    """

    def __init__(self, dim: int, rank: int, dropout: float) -> None:
        super().__init__()
        self.rank = rank
        self.reduce_first = nn.Sequential(nn.Linear(dim, dim, bias=False), nn.Dropout(dropout))
        self.reduce_second = nn.Sequential(nn.Linear(dim, dim, bias=False), nn.Dropout(dropout))
        self.expand_first = nn.Linear(dim, dim * rank)
        self.expand_second = nn.Linear(dim, dim * rank)
        self.out = nn.Linear(dim, dim)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the fused vectors (B, D) of two (B, D)."""
        product = self.expand_first(self.reduce_first(first)) * self.expand_second(self.reduce_second(second))
        summed = product.unflatten(1, (self.rank, -1)).sum(dim=1)
        # Without the bound, the root of a product that is zero would have an infinite gradient.
        rooted = torch.sign(summed) * summed.abs().clamp_min(1e-12).sqrt()
        return cast(Tensor, self.out(F.normalize(rooted, dim=1)))
