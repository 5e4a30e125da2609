"""The image tower of any model of the library open_clip."""

from __future__ import annotations

import difflib
from typing import Any, Literal

from pydantic import PositiveInt
from torch import Tensor

from cirray.encoders.extras import optional
from cirray.encoders.features import ImageFeatures, ImageShape
from cirray.encoders.image_encoder import ImageEncoder, image_encoders
from cirray.encoders.weights import WeightsConfig, start_from
from cirray.errors import ConfigError


class OpenClipModelConfig(WeightsConfig):
    """Settings of `OpenClipModel`.

    Attributes:
        model: name of the whole model in open_clip, as `open_clip.list_models()` has it; the default is CLIP4Cir's.
            The weights that OpenAI trained belong to the names that end in "-quickgelu".
        image_size: height and width in pixels that it is built for; by default the model's own.
        weights: "none" (random), or the path or URI of a file: safetensors or a state dict, with open_clip's names,
            of the tower or of the whole model.
        trainable: whether training changes the tower; false for CLIP4Cir's second stage, in which it stays as it is,
            the statistics of its batch norms included.
    """

    name: Literal["open-clip"] = "open-clip"
    model: str = "RN50x4-quickgelu"
    image_size: PositiveInt | None = None
    trainable: bool = True

    def packages(self) -> tuple[str, ...]:
        """Return open_clip, and timm, which some of its towers are from."""
        return ("open-clip-torch", "timm")


@image_encoders.register("open-clip")
class OpenClipModel(ImageEncoder):
    """The image tower of a CLIP (Radford et al., ICML 2021; open_clip: Ilharco et al., 2021).

    The pooled vector is the picture's embedding in the space that it shares with the texts, not normalised: 640 wide
    for RN50x4. The one map is the tower's last before it pools: of a ResNet its last stage, of a transformer its
    patches' tokens after the final layer norm (if it has one for them), where they stand in the picture.

    Pictures must have the size that the tower is built for, and the mean and standard deviation of CLIP, `PIXEL_MEAN`
    and `PIXEL_STD`. Nothing is downloaded: weights come from a file.
    """

    Config = OpenClipModelConfig

    def __init__(self, config: OpenClipModelConfig) -> None:
        super().__init__()
        open_clip = optional("open_clip", "open-clip", "Image encoder 'open-clip'")
        self.model_name = config.model
        self.tower = _build_tower(open_clip, config)
        self.stride = _stride(self.tower)
        start_from(self.tower, config.weights, within="visual.")
        self.trainable = config.trainable
        self.tower.requires_grad_(config.trainable)

    def train(self, mode: bool = True) -> OpenClipModel:
        """Go into training or evaluation; a tower that is not trained is always in evaluation."""
        super().train(mode)
        self.tower.train(mode and self.trainable)
        return self

    def forward(self, images: Tensor) -> ImageFeatures:
        """Return the features of `images` (B, 3, H, W)."""
        # All towers share this method; a number of maps is how many to give, counted from the last. The final norm of
        # a tower that pools by attention (CoCa's) is for what comes out of that.
        normalize = getattr(self.tower, "attn_pool", None) is None
        found = self.tower.forward_intermediates(images, indices=1, normalize_intermediates=normalize)
        return ImageFeatures(tuple(found["image_intermediates"]), found["image_features"])

    def shape(self, height: int, width: int) -> ImageShape:
        """Return the sizes of the features of pictures of `height` times `width` pixels.

        Raises:
            ConfigError: the tower does not take such pictures.
        """
        try:
            return super().shape(height, width)
        except (AssertionError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"The image tower of {self.model_name!r} does not take pictures of {height}×{width} pixels: {error}.",
                hint=f"It is built for {self.tower.image_size}: set model.preprocessing.height and .width to that, "
                "or model.image_encoder.image_size to theirs.",
            ) from None


PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
"""Mean for the preprocessing of CLIP's pictures."""

PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
"""Standard deviation for the preprocessing of CLIP's pictures."""

_NO_TEXT = {"context_length": 1, "vocab_size": 1, "width": 64, "heads": 1, "layers": 1}
"""A text tower of next to no weights, built beside the one of pictures and dropped: open_clip builds pairs."""


def _build_tower(open_clip: Any, config: OpenClipModelConfig) -> Any:
    settings = None if ":" in config.model else open_clip.get_model_config(config.model)
    if settings is None:
        names = open_clip.list_models()
        near = difflib.get_close_matches(config.model, names, n=3)
        raise ConfigError(
            f"open_clip has no model {config.model!r} of its own.",
            hint=f"Did you mean {', '.join(near)}?" if near else "Choose one that open_clip.list_models() lists.",
        )
    vision = {**settings["vision_cfg"], "timm_model_pretrained": False}
    if config.image_size is not None:
        vision["image_size"] = config.image_size
    tower = open_clip.CLIP(settings["embed_dim"], vision, _NO_TEXT, settings.get("quick_gelu", False)).visual
    if config.image_size is not None and hasattr(tower, "set_input_size"):
        tower.set_input_size(config.image_size)
    return tower


def _stride(tower: Any) -> int:
    """Return by how much the last map is smaller than the picture."""
    if hasattr(tower, "patch_size"):
        return int(tower.patch_size[0])
    # What open_clip takes from timm is one of its networks, with its own list of maps; the rest are its ResNets.
    return int(tower.trunk.feature_info[-1]["reduction"]) if hasattr(tower, "trunk") else 32
