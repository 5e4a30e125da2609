"""MobileNets of torchvision, as feature pyramids."""

from __future__ import annotations

import math
from functools import partial
from typing import ClassVar, Literal

from torch import Tensor, nn

from cirray.encoders.features import ImageFeatures
from cirray.encoders.image_encoder import ImageEncoder, image_encoders
from cirray.encoders.torchvision_weights import fetch_weights
from cirray.encoders.weights import WeightsConfig, start_from
from cirray.errors import ConfigError

Version = Literal["v2", "v3-small", "v3-large"]

_FINEST = 4
"""By how much the finest map is smaller than the picture, where no levels are given: the same as with a ResNet."""


class MobileNetConfig(WeightsConfig):
    """Settings of `MobileNet`.

    Attributes:
        version: which MobileNet.
        levels: blocks whose outputs are the maps, in ascending order, by torchvision's names: "features.0" to
            "features.18" (v2), "features.12" (v3-small) or "features.16" (v3-large); blocks after the last of them
            are left out. Empty: the last block of each size, from a quarter of the picture on.
        weights: "none" (random), "torchvision" (trained on ImageNet, downloaded by torchvision), or the path or URI
            of a file: safetensors or a state dict, with torchvision's names; a classifier in it is left out.
    """

    named: ClassVar[tuple[str, ...]] = ("none", "torchvision")
    name: Literal["mobilenet"] = "mobilenet"
    version: Version = "v2"
    levels: tuple[str, ...] = ()


@image_encoders.register("mobilenet")
class MobileNet(ImageEncoder):
    """MobileNet v2 (Sandler et al., CVPR 2018) and v3 (Howard et al., ICCV 2019), without the classifier.

    At 224×224 pixels, v2 gives maps 24×56×56, 32×28×28, 96×14×14 and 1280×7×7. The pooled vector is the mean of the
    coarsest map.

    VAL takes MobileNet v1, which torchvision does not have; its maps there are of the layers 6 (or 10, in its code),
    11 and 13: at a sixteenth, a sixteenth and a thirty-second. Own choice: `VAL_LEVELS`, the first and last blocks of
    v2 at a sixteenth and its last one, because they stand at the same sizes, though with fewer channels (64, 96 and
    1280 instead of 512, 512 and 1024).
    """

    Config = MobileNetConfig

    def __init__(self, config: MobileNetConfig) -> None:
        from torchvision.models import get_model_builder  # here, since it takes seconds to import

        super().__init__()
        kind = f"mobilenet_{config.version.replace('-', '_')}"
        features: nn.Sequential = get_model_builder(kind)().features
        strides = _strides(features)
        self.levels = _numbers(config, len(features)) or tuple(
            number
            for number, stride in enumerate(strides)
            if stride >= _FINEST and stride != (*strides, None)[number + 1]
        )
        last = self.levels[-1]
        self.features = features[: last + 1]
        self.stride = strides[last]
        start_from(
            self,
            config.weights,
            {"torchvision": partial(fetch_weights, kind)},
            surplus=["classifier.", *(f"features.{number}." for number in range(last + 1, len(features)))],
        )

    def forward(self, images: Tensor) -> ImageFeatures:
        """Return the features of `images` (B, 3, H, W)."""
        maps = []
        for number, block in enumerate(self.features):
            images = block(images)
            if number in self.levels:
                maps.append(images)
        return ImageFeatures(tuple(maps), images.mean(dim=(2, 3)))


VAL_LEVELS = ("features.7", "features.13", "features.18")
"""Blocks of MobileNet v2 that stand where VAL's three layers of v1 do."""


def _strides(features: nn.Sequential) -> list[int]:
    """Return by how much the output of each block is smaller than the picture."""
    strides, total = [], 1
    for block in features:
        total *= math.prod(part.stride[0] for part in block.modules() if isinstance(part, nn.Conv2d))
        strides.append(total)
    return strides


def _numbers(config: MobileNetConfig, count: int) -> tuple[int, ...]:
    names = [f"features.{number}" for number in range(count)]
    unknown = [level for level in config.levels if level not in names]
    numbers = tuple(names.index(level) for level in config.levels if level in names)
    if unknown or list(numbers) != sorted(set(numbers)):
        raise ConfigError(
            f"MobileNet {config.version} was asked for the levels {', '.join(config.levels)}.",
            hint=f"Choose from {names[0]} to {names[-1]}, in ascending order.",
        )
    return numbers
