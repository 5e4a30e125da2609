"""VAL: a composite transformer at each level of the image encoder."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field, model_validator
from torch import Tensor, nn

from cirray.composers.composer import Composer, Paper, composers
from cirray.composers.composite_transformer import CompositeConfig, CompositeTransformer
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape
from cirray.errors import ConfigError


class ValConfig(CompositeConfig):
    """Settings of `Val`.

    Attributes:
        levels: of the image encoder, from fine to coarse; −1 is the coarsest.
    """

    name: Literal["val"] = "val"
    levels: tuple[int, ...] = Field((-3, -2, -1), min_length=1, max_length=3)

    @model_validator(mode="after")
    def _from_fine_to_coarse(self) -> ValConfig:
        if list(self.levels) != sorted(set(self.levels)):
            raise ValueError(f"levels {self.levels} must go from fine to coarse, each once, such as (-2, -1)")
        return self


@composers.register("val")
class Val(Composer):
    """Transform and preserve the reference's maps at several depths, as the text asks.

    Chen et al., "Image Search with Text Feedback by Visiolinguistic Attention Learning" (CVPR 2020), section 3.
    At each level, with the reference's map X (P positions, C channels) and the sentence vector t at every position:

        fusion            Z = relu(conv1x1([X; t]))
        self-attention    per head: softmax(Q Kᵀ / √c̄) V, with Q, K, V = conv1x1(Z) of c̄ = C / heads channels;
                          o_sa = relu(conv1x1(heads side by side))
        joint attention   A = σ(conv_HxW(mean of Z over channels)) ⊙ σ(conv1x1(mean of Z over positions));
                          o_ja = A ⊙ X
        composed map      o = w_sa · o_sa + w_ja · o_ja, with learned weights

    A query is o averaged over its positions, a gallery picture X averaged likewise; each level's vector has length 1
    and the levels stand side by side, so that the cosine of two wholes is the mean of the levels' cosines. There is
    nothing to learn on the gallery's side but the image encoder.

    The convolution as large as the map keeps its size by zeros around it (code). Both weights start at 1. Own choice:
    the paper gives no values, and with the code's w_sa = 0 the self-attention learns nothing in the first step.
    Queries, keys and values have no bias (code); one of the keys would change nothing. The code names queries, keys
    and values otherwise, and computes the same. In it each head sees its own half of the channels (`split_heads`);
    we read the paper as heads that see all. Its ReLU6 with MobileNet is a plain ReLU here.
    """

    Config = ValConfig
    paper = Paper(
        "Chen et al.", "Image Search with Text Feedback by Visiolinguistic Attention Learning", "CVPR", 2020
    )
    needs = ("an image encoder with a map for each of its levels, and pictures of one size",)
    explains = tuple(f"{stream}-{number}" for number in (1, 2, 3) for stream in ("self-attention", "joint-attention"))

    def __init__(self, config: ValConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        self.numbers = config.levels
        streams = [("self-attention", config.self_attention), ("joint-attention", config.joint_attention)]
        shown = [stream for stream, used in streams if used]
        self.explains = tuple(f"{each}-{number}" for number in range(1, len(config.levels) + 1) for each in shown)
        shapes = [image.level(number) for number in config.levels]
        for number, shape in zip(config.levels, shapes, strict=True):
            if config.self_attention and shape.channels % config.heads:
                raise ConfigError(
                    f"{config.heads} heads do not divide the {shape.channels} channels of level {number}.",
                    hint="Set model.composer.heads to a divisor of the channels of all its levels.",
                )
        self.parts = tuple(shape.channels for shape in shapes)
        self.levels = nn.ModuleList(CompositeTransformer(config, shape, text.sentence) for shape in shapes)

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D), each level's part of length 1."""
        assert reference is not None
        assert text is not None
        maps = [_positions(reference.maps[number]) for number in self.numbers]
        composed = [level(each, text.sentence) for level, each in zip(self.levels, maps, strict=True)]
        return _side_by_side(composed)

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the gallery vectors (B, D), each level's part of length 1."""
        return _side_by_side([_positions(image.maps[number]) for number in self.numbers])

    def explain(self, reference: ImageFeatures | None, text: TextFeatures | None) -> dict[str, Tensor]:
        """Return for each level, 1 the finest, how much attention each position gets and how much of it is kept.

        "self-attention-1" is the mean over heads and queries, relative to the position that gets most;
        "joint-attention-1" the mean of A over the channels. Streams and levels that are switched off have none.
        """
        assert reference is not None
        assert text is not None
        maps = {}
        for number, (level, index) in enumerate(zip(self.levels, self.numbers, strict=True), start=1):
            assert isinstance(level, CompositeTransformer)
            plane = reference.maps[index]
            for stream, values in level.explain(_positions(plane), text.sentence).items():
                maps[f"{stream}-{number}"] = values.reshape(len(plane), *plane.shape[2:])
        return maps


def _positions(plane: Tensor) -> Tensor:
    """Return a map (B, C, H, W) as (B, P, C)."""
    return plane.flatten(2).transpose(1, 2)


def _side_by_side(maps: list[Tensor]) -> Tensor:
    return torch.cat([F.normalize(each.mean(dim=1), dim=1) for each in maps], dim=1)
