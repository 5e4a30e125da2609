"""The decoder of the reconstruction losses."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

Over = Literal["mean", "sum"]
"""What is taken of the squared differences of one vector; over the vectors it is always the mean."""


class Decoder(nn.Sequential):
    """From queries (B, D) to what they were composed of, (B, `size`).

    Batch norm, ReLU, linear, ReLU, linear, as in the released code of ComposeAE; the hidden layer has `size` units.
    """

    def __init__(self, dim: int, size: int) -> None:
        super().__init__(nn.BatchNorm1d(dim), nn.ReLU(), nn.Linear(dim, size), nn.ReLU(), nn.Linear(size, size))


def squared_distance(found: Tensor, wanted: Tensor, over: Over) -> Tensor:
    """Return the squared distance of two (B, D), its mean over the rows."""
    squares = (found - wanted).square()
    return squares.mean() if over == "mean" else squares.sum(dim=1).mean()
