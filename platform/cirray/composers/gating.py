"""TIRG's composition of two vectors, for TIRG itself and for methods that build on it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from cirray.composers.composer import VectorConfig

Branches = Literal["code", "paper"]


class GatingConfig(VectorConfig):
    """Settings of composers that gate the reference and add a residual.

    Attributes:
        gate_weight: initial weight of what is gated, w_g in Eq. 1.
        residual_weight: initial weight of the residual, w_r in Eq. 1.
    """

    gate_weight: float = 1.0
    residual_weight: float = 10.0


class ResidualGating(nn.Module):
    """Keep what the gate lets through of one vector, and add what both ask for.

    Vo et al., "Composing Text and Image for Image Retrieval: An Empirical Odyssey" (CVPR 2019), Eqs. 1 to 3, for
    pooled vectors. With x (B, D), t (B, T) and z = [x; t]:

        modified = w_g · σ(g) ⊙ x + w_r · r         Eq. 1; the weights are learned

                  branches "code"                   branches "paper" (Eqs. 2, 3)
        g =       V relu(bn(z))                     bn(V_2 relu(bn(V_1 z)))
        r =       W_2 relu(W_1 relu(bn(z)))         bn(W_2 relu(bn(W_1 z)))

    In "paper" the layers have no bias, which the batch norm behind them would cancel.

    Args:
        config: initial weights, and D.
        text: T.
        hidden: size of the layer within a branch; all D + T values if not given.
        branches: those of the released code, or of the paper to the letter.
    """

    def __init__(
        self, config: GatingConfig, text: int, *, hidden: int | None = None, branches: Branches = "code"
    ) -> None:
        super().__init__()
        dim, both = config.dim, config.dim + text
        hidden = hidden or both
        if branches == "paper":
            self.gate, self.residual = _paper_branch(both, hidden, dim), _paper_branch(both, hidden, dim)
        else:
            self.gate = nn.Sequential(nn.BatchNorm1d(both), nn.ReLU(), nn.Linear(both, dim))
            self.residual = nn.Sequential(
                nn.BatchNorm1d(both), nn.ReLU(), nn.Linear(both, hidden), nn.ReLU(), nn.Linear(hidden, dim)
            )
        self.weights = nn.Parameter(torch.tensor([config.gate_weight, config.residual_weight]))

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Return the modified vectors (B, D) of `image` (B, D) and `text` (B, T)."""
        _, kept, added = self.terms(image, text)
        return kept + added

    def terms(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return how far the gate is open, in 0..1, and the two weighted terms of Eq. 1, each (B, D)."""
        both = torch.cat([image, text], dim=1)
        gate = torch.sigmoid(self.gate(both))
        return gate, self.weights[0] * gate * image, self.weights[1] * self.residual(both)


def _paper_branch(both: int, hidden: int, dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(both, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, dim, bias=False),
        nn.BatchNorm1d(dim),
    )
