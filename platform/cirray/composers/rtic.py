"""RTIC: residual blocks encode by how much the target differs from the reference."""

from __future__ import annotations

from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from cirray.composers.composer import Composer, Paper, VectorConfig, composers
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape


class RticConfig(VectorConfig):
    """Settings of `Rtic`, at first those of the paper's unified environment.

    Attributes:
        dim: size D of queries and gallery vectors: 1,024 in the unified environment, 2,048 in the optimal one.
        blocks: n of error encoding: 4 in the unified environment, 1 in the optimal one.
    """

    name: Literal["rtic"] = "rtic"
    dim: int = Field(1024, ge=2)
    blocks: int = Field(4, ge=1)


@composers.register("rtic")
class Rtic(Composer):
    """Mix the reference, value by value, with what residual blocks make of reference and text.

    Shin et al., "RTIC: Residual Learning for Text and Image Composition using Graph Convolutional Network" (2021),
    section 3, as the released code has it. With x (B, D) the projected reference, t (B, T) the text and φ the leaky
    ReLU of slope 0.01:

        fusion    f₀ = linear(φ(bn([x; t])))
        gate      g = σ(linear(φ(bn(linear(f₀)))))
        blocks    f_k = f_{k−1} + linear(φ(bn(linear(φ(bn(linear(f_{k−1})))))))      D → D/2 → D/2 → D, k = 1 … n
        query     g ⊙ x + (1 − g) ⊙ f_n

    The code projects the last map by a convolution of 1×1 and averages it; a linear layer on the averaged map is the
    same. Its text has the size D of the pictures; here the fusion takes a text of any size.

    Not here: the graph convolutional network that trains beside it (RTIC-GCN), and two faults of the released code,
    which pools texts over their padding, so that a query depends on its batch, and puts targets where TIRG's
    cross-entropy has queries.
    """

    Config = RticConfig
    paper = Paper(
        "Shin et al.",
        "RTIC: Residual Learning for Text and Image Composition using Graph Convolutional Network",
        "arXiv",
        2021,
    )

    def __init__(self, config: RticConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        dim, joint = config.dim, config.dim + text.sentence
        self.parts = (dim,)
        self.project = nn.Linear(image.pooled, dim)
        self.fusion = nn.Sequential(nn.BatchNorm1d(joint), nn.LeakyReLU(), nn.Linear(joint, dim))
        self.gate = nn.Sequential(*_layer(dim, dim), nn.Linear(dim, dim), nn.Sigmoid())
        self.blocks = nn.ModuleList(_block(dim) for _ in range(config.blocks))

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D)."""
        assert reference is not None
        assert text is not None
        image = self.embed(reference)
        fused = self.fusion(torch.cat([image, text.sentence], dim=1))
        gate = self.gate(fused)
        for block in self.blocks:
            fused = fused + block(fused)
        return cast(Tensor, gate * image + (1 - gate) * fused)

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the projected pooled features (B, D)."""
        return cast(Tensor, self.project(image.pooled))


def _layer(size: int, out: int) -> tuple[nn.Module, ...]:
    return nn.Linear(size, out), nn.BatchNorm1d(out), nn.LeakyReLU()


def _block(dim: int) -> nn.Sequential:
    half = dim // 2
    return nn.Sequential(*_layer(dim, half), *_layer(half, half), nn.Linear(half, dim))
