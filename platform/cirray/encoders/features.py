"""What encoders give to composers."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class ImageFeatures:
    """A batch of encoded pictures.

    Attributes:
        maps: feature maps (B, C_l, H_l, W_l), from the finest level to the coarsest.
        pooled: (B, C) the coarsest map averaged over its positions.
    """

    maps: tuple[Tensor, ...]
    pooled: Tensor


@dataclass(frozen=True)
class TextFeatures:
    """A batch of encoded modification texts.

    Attributes:
        states: (B, T, D) one state a token; zero where there is no token.
        mask: (B, T) bool, true where there is a token.
        sentence: (B, D) one vector a text.
    """

    states: Tensor
    mask: Tensor
    sentence: Tensor
