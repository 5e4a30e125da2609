"""A small convolutional network for synthetic worlds."""

from __future__ import annotations

import math
from typing import Literal, cast

from pydantic import PositiveInt, model_validator
from torch import Tensor, nn

from cirray.config import Choice
from cirray.encoders.coordinates import with_coordinates
from cirray.encoders.features import ImageFeatures
from cirray.encoders.image_encoder import ImageEncoder, image_encoders


class SmallCnnConfig(Choice):
    """Settings of `SmallCnn`.

    Attributes:
        widths: channels after each block.
        strides: by how much each block divides height and width.
        coordinates: whether each block also sees where in its map it is (CoordConv, Liu et al., "An Intriguing
            Failing of Convolutional Neural Networks and the CoordConv Solution", NeurIPS 2018).
    """

    name: Literal["small-cnn"] = "small-cnn"
    widths: tuple[PositiveInt, ...] = (32, 48, 48)
    strides: tuple[PositiveInt, ...] = (4, 2, 1)
    coordinates: bool = False

    @model_validator(mode="after")
    def _one_stride_a_block(self) -> SmallCnnConfig:
        if len(self.widths) != len(self.strides) or not self.widths:
            raise ValueError(f"widths {self.widths} and strides {self.strides} must have one entry a block each")
        return self


@image_encoders.register("small-cnn")
class SmallCnn(ImageEncoder):
    """Blocks of convolution, batch norm and ReLU; one feature map a block.

    Our own choice, no paper's: CSS in two dimensions has flat shapes on 64×64 pixels, for which three blocks see
    enough. The first block shrinks the picture at once, because on a CPU it is the large early maps that take time.
    """

    Config = SmallCnnConfig

    def __init__(self, config: SmallCnnConfig) -> None:
        super().__init__()
        extra = 2 if config.coordinates else 0
        inputs = [channels + extra for channels in (3, *config.widths[:-1])]
        blocks = zip(inputs, config.widths, config.strides, strict=True)
        self.blocks = nn.ModuleList(_block(before, after, stride) for before, after, stride in blocks)
        self.stride = math.prod(config.strides)
        self.coordinates = config.coordinates

    def forward(self, images: Tensor) -> ImageFeatures:
        """Return the features of `images` (B, 3, H, W)."""
        maps = []
        for block in self.blocks:
            images = cast(Tensor, block(with_coordinates(images) if self.coordinates else images))
            maps.append(images)
        return ImageFeatures(tuple(maps), images.mean(dim=(2, 3)))


def _block(before: int, after: int, stride: int) -> nn.Sequential:
    # Windows are wider than their stride: they overlap, so that no edge falls between two of them.
    kernel = max(3, stride + 1 - stride % 2)
    convolution = nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())
