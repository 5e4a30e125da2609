"""Parts of pictures."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field, model_validator
from torch import Tensor

from cirray.batches.augmentation import Augmentation, AugmentationConfig, Pictures, augmentations
from cirray.errors import ConfigError


class RandomCropConfig(AugmentationConfig):
    """Settings of `RandomCrop`.

    Attributes:
        padding: pixels added on every side before the crop.
        fill: their value, 0 to 255.
    """

    name: Literal["random-crop"] = "random-crop"
    padding: int = Field(4, ge=1, le=512)
    fill: int = Field(0, ge=0, le=255)


@augmentations.register("random-crop")
class RandomCrop(Augmentation):
    """Moves pictures by up to `padding` pixels in each direction: pads, then crops to the old size.

    CurlingNet and RTIC scale to 256 pixels and crop 224 of them at random: for that, take `ResizedCrop` with
    `scale` [0.766, 0.766] (that is (224/256)²) and `ratio` [1, 1].
    """

    Config = RandomCropConfig

    def draw(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Return the upper left corner of each crop in the padded picture, (count, 2) int64, row and column."""
        return torch.randint(0, 2 * self.config.padding + 1, (count, 2), generator=generator)

    def apply(self, pictures: Pictures, draws: Tensor) -> Pictures:
        """Return the crops."""
        height, width = pictures.shape[2:]
        padded = F.pad(pictures, [self.config.padding] * 4, value=self.config.fill)
        draws = draws.to(pictures.device)
        rows = draws[:, :1] + torch.arange(height, device=pictures.device)
        columns = draws[:, 1:] + torch.arange(width, device=pictures.device)
        batch = torch.arange(len(pictures), device=pictures.device)[:, None, None]
        # Indexed so, channels come last.
        return padded[batch, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


class ResizedCropConfig(AugmentationConfig):
    """Settings of `ResizedCrop`.

    Attributes:
        scale: smallest and largest share of the picture's area.
        ratio: smallest and largest ratio of the crop's width to its height.
    """

    name: Literal["resized-crop"] = "resized-crop"
    scale: tuple[float, float] = (0.8, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    @model_validator(mode="after")
    def _ranges_hold(self) -> ResizedCropConfig:
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ConfigError(f"scale is {list(self.scale)}.", hint="Give two shares: 0 < smallest <= largest <= 1.")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ConfigError(f"ratio is {list(self.ratio)}.", hint="Give two numbers: 0 < smallest <= largest.")
        return self


@augmentations.register("resized-crop")
class ResizedCrop(Augmentation):
    """Crops a part of random size, shape and place, and scales it to the picture's size (bilinear, antialiased).

    VAL on FashionIQ scales to a side between 256 and 280 pixels and crops 256 of them: that is `scale` [0.836, 1]
    and `ratio` [1, 1].
    """

    Config = ResizedCropConfig

    def draw(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Return top, left, height and width of each crop, (count, 4) int64."""
        height, width = size
        low, high = self.config.scale
        area = height * width * (low + (high - low) * torch.rand(count, generator=generator))
        low, high = map(math.log, self.config.ratio)
        ratio = torch.exp(low + (high - low) * torch.rand(count, generator=generator))
        rows = (area / ratio).sqrt().round().clamp(1, height)
        columns = (area * ratio).sqrt().round().clamp(1, width)
        corner = torch.rand(count, 2, generator=generator)
        top = (corner[:, 0] * (height - rows + 1)).floor()
        left = (corner[:, 1] * (width - columns + 1)).floor()
        return torch.stack([top, left, rows, columns], dim=1).long()

    def apply(self, pictures: Pictures, draws: Tensor) -> Pictures:
        """Return the crops."""
        from torchvision.transforms.v2.functional import resized_crop  # here, since it takes seconds to import

        size = list(pictures.shape[2:])
        crops = [
            resized_crop(picture, *draw, size, antialias=True)
            for picture, draw in zip(pictures, draws.tolist(), strict=True)
        ]
        return torch.stack(crops)
