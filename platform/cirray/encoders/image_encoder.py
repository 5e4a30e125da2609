"""Image encoders: what all have in common, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from cirray.config import Choice
from cirray.encoders.features import ImageFeatures, ImageShape, MapShape
from cirray.errors import ConfigError
from cirray.registry import Registry


class ImageEncoder(nn.Module, ABC):
    """From pictures to a pyramid of feature maps.

    Attributes:
        stride: by how much the coarsest map is smaller than the picture.
    """

    Config: ClassVar[type[Choice]]
    stride: int

    @abstractmethod
    def forward(self, images: Tensor) -> ImageFeatures:
        """Return the features of `images`, (B, 3, H, W) float32, normalised as the preprocessing says."""

    def shape(self, height: int, width: int) -> ImageShape:
        """Return the sizes of the features of pictures of `height` times `width` pixels.

        Raises:
            ConfigError: such pictures are too small for the coarsest map to have a position of its own.
        """
        if min(height, width) < self.stride:
            raise ConfigError(
                f"Pictures of {height}×{width} pixels are too small for this image encoder, whose coarsest map is "
                f"{self.stride} times smaller.",
                hint=f"Set model.preprocessing.height and .width to {self.stride} or more, "
                "or choose a smaller image encoder.",
            )
        training = self.training
        with torch.no_grad():
            features: ImageFeatures = self.eval()(torch.zeros(1, 3, height, width))
        self.train(training)
        return ImageShape(tuple(MapShape(*each.shape[1:]) for each in features.maps), features.pooled.shape[1])


image_encoders: Registry[type[ImageEncoder]] = Registry("image encoder")
