"""Brightness, contrast and saturation."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cirray.batches.augmentation import Augmentation, AugmentationConfig, Pictures, augmentations

_LUMA = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue in grey, as torchvision has them."""


class ColourJitterConfig(AugmentationConfig):
    """Settings of `ColourJitter`.

    Attributes:
        brightness: each picture's is multiplied by a factor between 1 − this and 1 + this.
        contrast: likewise.
        saturation: likewise.
    """

    name: Literal["colour-jitter"] = "colour-jitter"
    brightness: float = Field(0.1, ge=0, le=1)
    contrast: float = Field(0.1, ge=0, le=1)
    saturation: float = Field(0.1, ge=0, le=1)


@augmentations.register("colour-jitter")
class ColourJitter(Augmentation):
    """Changes brightness, then contrast, then saturation of pictures, each by a random factor.

    The hue stays: texts name colours.
    """

    Config = ColourJitterConfig

    def draw(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Return the three factors of each picture, (count, 3)."""
        widths = torch.tensor([self.config.brightness, self.config.contrast, self.config.saturation])
        return 1 + widths * (2 * torch.rand(count, 3, generator=generator) - 1)

    def apply(self, pictures: Pictures, draws: Tensor) -> Pictures:
        """Return the pictures with their factors applied."""
        brightness, contrast, saturation = draws.to(pictures.device).T[:, :, None, None, None]
        values = (pictures.float() * brightness).clamp(0, 255)
        values = _blend(values, _grey(values).mean((2, 3), keepdim=True), contrast)
        values = _blend(values, _grey(values), saturation)
        return values.round().to(torch.uint8)


def _grey(values: Tensor) -> Tensor:
    weights = torch.tensor(_LUMA, device=values.device)
    return (values * weights[:, None, None]).sum(1, keepdim=True)


def _blend(values: Tensor, base: Tensor, share: Tensor) -> Tensor:
    return (share * values + (1 - share) * base).clamp(0, 255)
