"""How pixels become an encoder's input; saved with every model."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from cirray.config import Config
from cirray.datasets.fitting import Fit


class Preprocessing(Config):
    """How the pictures that a model was trained on were brought to its size, and normalised.

    Attributes:
        height: in pixels.
        width: in pixels; pictures are brought to exactly this size.
        fit: how. "stretch" scales height and width apart (VAL); "crop" covers the size and leaves out what is over at
            two ends (TIRG); "pad" fits the whole picture in and mirrors its edges (RTIC); "target-pad" lies between
            (CLIP4Cir). `cirray.datasets.fitting` has the details.
        mean: of each channel, on the scale 0 to 1.
        std: of each channel, on the scale 0 to 1.
    """

    height: int = Field(224, ge=8, le=2048)
    width: int = Field(224, ge=8, le=2048)
    fit: Fit = "stretch"
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
