"""Left for right."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cirray.batches.augmentation import Augmentation, AugmentationConfig, Pictures, augmentations


class HorizontalFlipConfig(AugmentationConfig):
    """Settings of `HorizontalFlip`.

    Attributes:
        probability: of a flip.
    """

    name: Literal["horizontal-flip"] = "horizontal-flip"
    probability: float = Field(0.5, ge=0, le=1)


@augmentations.register("horizontal-flip")
class HorizontalFlip(Augmentation):
    """Flips pictures left for right: VAL, CurlingNet and RTIC on FashionIQ."""

    Config = HorizontalFlipConfig

    def draw(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Return whether to flip, (count,) bool."""
        chance: float = self.config.probability
        return torch.rand(count, generator=generator) < chance

    def apply(self, pictures: Pictures, draws: Tensor) -> Pictures:
        """Return the pictures, those flipped for which `draws` is true."""
        return torch.where(draws.to(pictures.device)[:, None, None, None], pictures.flip(3), pictures)
