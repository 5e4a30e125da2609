"""TIRG's composition of two vectors, for methods that build on it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualGating(nn.Module):
    """Keep what the gate lets through of one vector, and add what both ask for.

    Vo et al., "Composing Text and Image for Image Retrieval: An Empirical Odyssey" (CVPR 2019), Eqs. 1 to 3, in the
    form of the released code for pooled vectors. With z = [x; t], both of size D:

        gate      g = linear(relu(bn(z)))
        residual  r = linear(relu(linear(relu(bn(z)))))
        modified  w_g · σ(g) ⊙ x + w_r · r,   w_g = 1 and w_r = 10 at the start

    Args:
        dim: D.
        gate_weight: initial w_g.
        residual_weight: initial w_r.
    """

    def __init__(self, dim: int, gate_weight: float = 1.0, residual_weight: float = 10.0) -> None:
        super().__init__()
        both = 2 * dim
        self.gate = nn.Sequential(nn.BatchNorm1d(both), nn.ReLU(), nn.Linear(both, dim))
        self.residual = nn.Sequential(
            nn.BatchNorm1d(both), nn.ReLU(), nn.Linear(both, both), nn.ReLU(), nn.Linear(both, dim)
        )
        self.weights = nn.Parameter(torch.tensor([gate_weight, residual_weight]))

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Return the modified vectors (B, D) of `image` and `text`, (B, D) each."""
        both = torch.cat([image, text], dim=1)
        kept = torch.sigmoid(self.gate(both)) * image
        modified: Tensor = self.weights[0] * kept + self.weights[1] * self.residual(both)
        return modified
