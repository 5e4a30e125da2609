"""A small convolutional network for synthetic worlds."""

from __future__ import annotations

from typing import Literal, cast

from torch import Tensor, nn

from cirray.config import Choice
from cirray.encoders.features import ImageFeatures
from cirray.encoders.image import ImageEncoder, image_encoders


class SmallCnnConfig(Choice):
    """Settings of `SmallCnn`.

    Attributes:
        widths: channels after each block; each block halves height and width.
    """

    name: Literal["small-cnn"] = "small-cnn"
    widths: tuple[int, ...] = (32, 64, 64)


@image_encoders.register("small-cnn")
class SmallCnn(ImageEncoder):
    """Blocks of 3×3 convolution with stride 2, batch norm and ReLU; one feature map a block.

    Our own choice, no paper's: CSS in two dimensions has flat shapes on 64×64 pixels, for which three blocks
    see enough and train in minutes on two CPU cores.
    """

    Config = SmallCnnConfig

    def __init__(self, config: SmallCnnConfig) -> None:
        super().__init__()
        inputs = (3, *config.widths[:-1])
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            )
            for before, after in zip(inputs, config.widths, strict=True)
        )
        self.channels = config.widths

    def forward(self, images: Tensor) -> ImageFeatures:
        """Return the features of `images` (B, 3, H, W)."""
        maps = []
        for block in self.blocks:
            images = cast(Tensor, block(images))
            maps.append(images)
        return ImageFeatures(tuple(maps), images.mean(dim=(2, 3)))
