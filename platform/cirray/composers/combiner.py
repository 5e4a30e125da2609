"""The Combiner of CLIP4Cir: a learned vector beside a learned blend of picture and text."""

from __future__ import annotations

from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from cirray.composers.composer import Composer, Paper, VectorConfig, composers
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape


class CombinerConfig(VectorConfig):
    """Settings of `Combiner`, at first those of the released code for CLIP RN50x4.

    Attributes:
        dim: size D of queries and gallery vectors, that of CLIP's space.
        projection_dim: P, of picture and text before they are joined.
        hidden_dim: H, of the two hidden layers after that.
        dropout: share of values that are dropped after each hidden layer.
    """

    name: Literal["combiner"] = "combiner"
    dim: int = Field(640, ge=1)
    projection_dim: int = Field(2560, ge=1)
    hidden_dim: int = Field(5120, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)


@composers.register("combiner")
class Combiner(Composer):
    """Add what two hidden layers make of picture and text to a blend of the two, in a space that they share.

    Baldrati et al., "Effective Conditioned and Composed Image Retrieval Combining CLIP-Based Features" (CVPR 2022),
    section 3.2, as the released code has it. With i (B, D) the picture, t (B, D) the text and drop(relu(linear(·)))
    written layer(·):

        p = [layer(t); layer(i)]                 each of size P
        λ = σ(linear(layer(p)))                  one number a query, hidden size H
        query = linear(layer(p)) + λ · t + (1 − λ) · i

    The gallery's vectors are the pictures' own. Encoders with one space for pictures and texts of size D (CLIP) are
    taken as they are; others are brought to D by a linear layer each, which neither paper nor code has.

    The code's loss is the cross-entropy over 100 times the cosine: batch classification with scale 10 that is not
    learned.
    """

    Config = CombinerConfig
    paper = Paper(
        "Baldrati et al.",
        "Effective Conditioned and Composed Image Retrieval Combining CLIP-Based Features",
        "CVPR",
        2022,
    )

    def __init__(self, config: CombinerConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        dim, both = config.dim, 2 * config.projection_dim
        self.parts = (dim,)
        self.project = _to_size(image.pooled, dim)
        self.project_text = _to_size(text.sentence, dim)
        self.text_layer = _layer(dim, config.projection_dim, config.dropout)
        self.image_layer = _layer(dim, config.projection_dim, config.dropout)
        self.combine = nn.Sequential(
            _layer(both, config.hidden_dim, config.dropout), nn.Linear(config.hidden_dim, dim)
        )
        self.blend = nn.Sequential(
            _layer(both, config.hidden_dim, config.dropout), nn.Linear(config.hidden_dim, 1), nn.Sigmoid()
        )

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D)."""
        assert reference is not None
        assert text is not None
        picture, sentence = self.embed(reference), self.project_text(text.sentence)
        both = torch.cat([self.text_layer(sentence), self.image_layer(picture)], dim=1)
        share = self.blend(both)
        return cast(Tensor, self.combine(both) + share * sentence + (1 - share) * picture)

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the pooled features, projected where they are not of size D, (B, D)."""
        return cast(Tensor, self.project(image.pooled))


def _to_size(size: int, dim: int) -> nn.Module:
    return nn.Identity() if size == dim else nn.Linear(size, dim)


def _layer(size: int, out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(size, out), nn.ReLU(), nn.Dropout(dropout))
