"""ResNets of torchvision, as feature pyramids."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import model_validator
from torch import Tensor

from cirray.encoders.features import ImageFeatures
from cirray.encoders.image_encoder import ImageEncoder, image_encoders
from cirray.encoders.torchvision_weights import fetch_weights
from cirray.encoders.weights import WeightsConfig, start_from

Stage = Literal[1, 2, 3, 4]


class ResNetConfig(WeightsConfig):
    """Settings of `ResNet`.

    Attributes:
        depth: number of layers, as the networks are named by.
        levels: stages whose outputs are the maps, in ascending order; stages after the last of them are left out.
            Stage n is 2^(n+1) times smaller than the picture.
        weights: "none" (random), "torchvision" (trained on ImageNet, downloaded by torchvision: its IMAGENET1K_V1,
            the recipe of the papers' time), or the path or URI of a file: safetensors or a state dict, with
            torchvision's names; a classifier in it is left out.
    """

    named: ClassVar[tuple[str, ...]] = ("none", "torchvision")
    name: Literal["resnet"] = "resnet"
    depth: Literal[18, 34, 50, 101, 152] = 18
    levels: tuple[Stage, ...] = (1, 2, 3, 4)

    @model_validator(mode="after")
    def _ascending(self) -> ResNetConfig:
        if not self.levels or list(self.levels) != sorted(set(self.levels)):
            raise ValueError(f"levels {self.levels} must be one or more of the stages 1 to 4, in ascending order")
        return self


@image_encoders.register("resnet")
class ResNet(ImageEncoder):
    """Deep residual learning for image recognition (He et al., CVPR 2016), without the classifier.

    At 224×224 pixels, ResNet-18 gives maps 64×56×56, 128×28×28, 256×14×14 and 512×7×7; ResNet-50 four times as many
    channels. The pooled vector is the mean of the coarsest map.

    VAL's code has slim's ResNet-50 v2, which torchvision does not have: activations come before convolutions, and
    each stage is made smaller by its last block instead of its first, so that slim's stages 2 and 3 are half as high
    and wide as torchvision's.
    """

    Config = ResNetConfig

    def __init__(self, config: ResNetConfig) -> None:
        from torchvision.models import get_model_builder  # here, since it takes seconds to import

        super().__init__()
        kind = f"resnet{config.depth}"
        self.network: Any = get_model_builder(kind)()
        self.levels = config.levels
        self.stride = 2 ** (config.levels[-1] + 1)
        left_out = ["fc", *(f"layer{stage}" for stage in range(config.levels[-1] + 1, 5))]
        for part in left_out:
            delattr(self.network, part)
        start_from(
            self.network,
            config.weights,
            {"torchvision": partial(fetch_weights, kind)},
            surplus=[f"{part}." for part in left_out],
        )

    def forward(self, images: Tensor) -> ImageFeatures:
        """Return the features of `images` (B, 3, H, W)."""
        network = self.network
        last: Tensor = network.maxpool(network.relu(network.bn1(network.conv1(images))))
        maps = []
        for stage in range(1, self.levels[-1] + 1):
            last = getattr(network, f"layer{stage}")(last)
            if stage in self.levels:
                maps.append(last)
        return ImageFeatures(tuple(maps), last.mean(dim=(2, 3)))
