"""Any image network of the library timm."""

from __future__ import annotations

import difflib
from typing import Any, Literal

from pydantic import PositiveInt
from torch import Tensor

from cirray.encoders.extras import optional
from cirray.encoders.features import ImageFeatures, ImageShape
from cirray.encoders.image_encoder import ImageEncoder, image_encoders
from cirray.encoders.initial_weights import initial_weights_wanted
from cirray.encoders.weights import WeightsConfig, start_from
from cirray.errors import ConfigError


class TimmModelConfig(WeightsConfig):
    """Settings of `TimmModel`.

    Attributes:
        model: its name in timm, as `timm.list_models()` has it.
        levels: numbers of the network's own feature maps, from 0, in ascending order; empty for all. Negative ones
            count from the coarsest.
        image_size: height and width in pixels, for networks that are built for one size (most transformers) to be
            built for another.
        weights: "none" (random), or the path or URI of a file: safetensors or a state dict, with timm's names; a
            classifier in it is left out.
    """

    name: Literal["timm"] = "timm"
    model: str
    levels: tuple[int, ...] = ()
    image_size: PositiveInt | None = None

    def packages(self) -> tuple[str, ...]:
        """Return the library."""
        return ("timm",)


@image_encoders.register("timm")
class TimmModel(ImageEncoder):
    """A network of timm (Wightman, PyTorch Image Models) as a feature pyramid, without what follows its last level.

    The pooled vector is the mean of the coarsest map, with transformers too: their class token is left out. Nothing
    is downloaded: the names of models on a hub are refused, and weights come from a file.
    """

    Config = TimmModelConfig

    def __init__(self, config: TimmModelConfig) -> None:
        super().__init__()
        timm = optional("timm", "timm", "Image encoder 'timm'")
        if not timm.is_model(config.model):
            near = difflib.get_close_matches(config.model, timm.list_models(), n=3)
            raise ConfigError(
                f"timm has no model {config.model!r}.", hint=f"Did you mean {', '.join(near)}?" if near else _NAMES
            )
        self.model_name = config.model
        settings: dict[str, Any] = {} if config.image_size is None else {"img_size": config.image_size}
        if config.weights != "none" and initial_weights_wanted():
            # As a pyramid, a network names its weights otherwise, and timm does not mind if some are missing.
            whole = self._build(timm, num_classes=0, **settings)
            start_from(whole, config.weights, surplus=_classifiers(whole))
            settings |= {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": whole.state_dict()}}
        if config.levels:
            settings["out_indices"] = config.levels
        self.network = self._build(timm, features_only=True, **settings)
        self.stride = max(self.network.feature_info.reduction())
        # Some networks (Swin, for one) keep their channels last.
        self.channels_last = str(getattr(self.network, "output_fmt", "NCHW")).endswith("NHWC")

    def forward(self, images: Tensor) -> ImageFeatures:
        """Return the features of `images` (B, 3, H, W)."""
        maps = self.network(images)
        if self.channels_last:
            maps = [each.permute(0, 3, 1, 2) for each in maps]
        return ImageFeatures(tuple(maps), maps[-1].mean(dim=(2, 3)))

    def shape(self, height: int, width: int) -> ImageShape:
        """Return the sizes of the features of pictures of `height` times `width` pixels.

        Raises:
            ConfigError: the network does not take such pictures.
        """
        try:
            return super().shape(height, width)
        except (AssertionError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"The timm model {self.model_name!r} does not take pictures of {height}×{width} pixels: {error}.",
                hint="Change model.preprocessing.height and .width, or set model.image_encoder.image_size to them.",
            ) from None

    def _build(self, timm: Any, **settings: Any) -> Any:
        try:
            return timm.create_model(self.model_name, **settings)
        except (AssertionError, AttributeError, RuntimeError, TypeError, ValueError, IndexError) as error:
            raise ConfigError(
                f"timm cannot build {self.model_name!r} as a feature pyramid: {error}.",
                hint="Choose other levels, leave image_size out for a network that takes any, or choose a model "
                "that timm builds with features_only=True.",
            ) from None


def _classifiers(network: Any) -> list[str]:
    """Return the beginnings of the names of a network's classifier's weights."""
    names = network.pretrained_cfg.get("classifier") or ()
    return [f"{name}." for name in ([names] if isinstance(names, str) else names)]


_NAMES = "Choose one of those that timm.list_models() lists."
