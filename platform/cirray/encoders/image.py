"""Image encoders: what all have in common, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from cirray.config import Choice
from cirray.encoders.features import ImageFeatures
from cirray.registry import Registry


class ImageEncoder(nn.Module, ABC):
    """From pictures to a pyramid of feature maps.

    Attributes:
        channels: number of channels of each map, finest level first.
    """

    Config: ClassVar[type[Choice]]
    channels: tuple[int, ...]

    @abstractmethod
    def forward(self, images: Tensor) -> ImageFeatures:
        """Return the features of `images`, (B, 3, H, W) float32, normalised as the preprocessing says."""


image_encoders: Registry[type[ImageEncoder]] = Registry("image encoder")
