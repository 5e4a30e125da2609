"""How far vectors are from each other, and how alike they are."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Distance = Literal["l2", "squared-l2"]
Similarity = Literal["dot", "l2", "squared-l2"]


def distances(rows: Tensor, others: Tensor, distance: Distance) -> Tensor:
    """Return the distances (B, N) between `rows` (B, D) and `others` (N, D).

    The gradient of the distance between equal vectors is zero, not the infinity of a root at zero.
    """
    if distance == "l2":
        # By differences: a root of the expanded square would keep half the digits of small distances.
        return torch.cdist(rows, others, compute_mode="donot_use_mm_for_euclid_dist")
    squares = rows.square().sum(dim=1)[:, None] + others.square().sum(dim=1)
    return squares - 2 * rows @ others.T


def similarities(rows: Tensor, others: Tensor, similarity: Similarity) -> Tensor:
    """Return κ (B, N) of `rows` (B, D) and `others` (N, D): their dot product, or their negative distance."""
    return rows @ others.T if similarity == "dot" else -distances(rows, others, similarity)
