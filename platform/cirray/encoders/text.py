"""Text encoders: what all have in common, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from cirray.config import Choice
from cirray.encoders.features import TextFeatures
from cirray.registry import Registry


class TextEncoder(nn.Module, ABC):
    """From token ids to token states and a sentence vector.

    The features of a text must not depend on the texts beside it in the batch.

    Attributes:
        dim: size of states and sentence vectors.
    """

    Config: ClassVar[type[Choice]]
    dim: int

    @abstractmethod
    def forward(self, tokens: Tensor, lengths: Tensor) -> TextFeatures:
        """Return the features of `tokens`, (B, T) int64 padded with 0, of which `lengths` (B,) ≥ 1 count."""


text_encoders: Registry[type[TextEncoder]] = Registry("text encoder")
