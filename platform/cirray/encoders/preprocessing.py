"""How pixels become an encoder's input; saved with every model."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from cirray.config import Config


class Preprocessing(Config):
    """Size and normalisation of the pictures that a model was trained on.

    Attributes:
        height: in pixels.
        width: in pixels; pictures are scaled to exactly this size.
        mean: of each channel, on the scale 0 to 1.
        std: of each channel, on the scale 0 to 1.
    """

    height: int = Field(224, ge=8, le=2048)
    width: int = Field(224, ge=8, le=2048)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return `pixels`, (B, H, W, 3) uint8, as (B, 3, H, W) float32 with the channels normalised."""
        mean = torch.tensor(self.mean, device=pixels.device) * 255
        std = torch.tensor(self.std, device=pixels.device) * 255
        # A permuted view keeps the channels last in memory, which convolutions on the CPU prefer too.
        return ((pixels.float() - mean) / std).permute(0, 3, 1, 2)
