"""Concatenation: a small network on the image and text vectors side by side."""

from __future__ import annotations

from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from cirray.composers.composer import Composer, VectorConfig, composers
from cirray.composers.papers import TIRG
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape


class ConcatConfig(VectorConfig):
    """Settings of `Concat`.

    Attributes:
        dropout: share of the hidden values that are dropped before the last layer.
    """

    name: Literal["concat"] = "concat"
    dropout: float = Field(0.1, ge=0, lt=1)


@composers.register("concat")
class Concat(Composer):
    """Image and text vector side by side, through two layers.

    A baseline of Vo et al., "Composing Text and Image for Image Retrieval: An Empirical Odyssey" (CVPR 2019),
    section 4.1. With x (B, D) the reference's vector and t (B, T) the text's:

        query = W_2 dropout(relu(bn(W_1 relu(bn([x; t])))))      W_1 (D + T) × (D + T), W_2 D × (D + T)

    The paper says "two layers of MLP with ReLU, batch norm and dropout 0.1"; their order, the batch norm and ReLU
    ahead of the first layer included, is the released code's, where T = D. A gallery picture has the vector x. The
    bias of W_1, which the batch norm behind it would cancel, is left out; this changes no output.
    """

    Config = ConcatConfig
    paper = TIRG

    def __init__(self, config: ConcatConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        self.parts = (config.dim,)
        both = config.dim + text.sentence
        self.project = nn.Linear(image.pooled, config.dim)
        self.mix = nn.Sequential(
            nn.BatchNorm1d(both),
            nn.ReLU(),
            nn.Linear(both, both, bias=False),
            nn.BatchNorm1d(both),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(both, config.dim),
        )

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D)."""
        assert reference is not None
        assert text is not None
        return cast(Tensor, self.mix(torch.cat([self.embed(reference), text.sentence], dim=1)))

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the projected pooled features (B, D)."""
        return cast(Tensor, self.project(image.pooled))
