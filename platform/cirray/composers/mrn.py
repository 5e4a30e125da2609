"""MRN: multimodal residual blocks on the pooled image vector and the text."""

from __future__ import annotations

from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from cirray.composers.composer import Composer, Paper, VectorConfig, composers
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape


class MrnConfig(VectorConfig):
    """Settings of `Mrn`.

    Attributes:
        blocks: how many residual blocks.
        dropout: share of the values that are dropped ahead of each linear layer of a block.
    """

    name: Literal["mrn"] = "mrn"
    blocks: int = Field(3, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)


@composers.register("mrn")
class Mrn(Composer):
    """Blocks that multiply text and image element by element and add a shortcut of the text.

    Kim et al., "Multimodal Residual Learning for Visual QA" (NIPS 2016), section 3, with the three blocks that Chen
    et al., "Image Search with Text Feedback by Visiolinguistic Attention Learning" (CVPR 2020), use as a baseline.
    With x (B, C) the reference's pooled features and H_0 = t (B, T) the text's vector, block l is

        H_l = W_q H_{l−1} + tanh(W_1 H_{l−1}) ⊙ tanh(W_3 tanh(W_2 x))      (B, D)

    with weights of its own, and the last H is the query. A gallery picture goes through a linear layer C → D. The
    shortcut is on the text, as in the paper: the picture enters by the products alone.

    Chen et al. released no code for their version. Own choice: all layers have a bias, which the equation leaves out,
    and all have D outputs, because neither source gives sizes for retrieval. RTIC's released code has one block, with
    dropout 0.5 ahead of each layer: `blocks=1, dropout=0.5`, but for the layers on the text, which here see the same
    dropped values. No dropout is the default, because Chen et al. do not mention any.
    """

    Config = MrnConfig
    paper = Paper("Kim et al.", "Multimodal Residual Learning for Visual QA", "NIPS", 2016)

    def __init__(self, config: MrnConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        self.parts = (config.dim,)
        before = (text.sentence, *[config.dim] * (config.blocks - 1))
        self.blocks = nn.ModuleList(_Block(size, image.pooled, config.dim, config.dropout) for size in before)
        self.project = nn.Linear(image.pooled, config.dim)

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D)."""
        assert reference is not None
        assert text is not None
        state = text.sentence
        for block in self.blocks:
            state = block(state, reference.pooled)
        return state

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the projected pooled features (B, D)."""
        return cast(Tensor, self.project(image.pooled))


class _Block(nn.Module):
    """One residual block."""

    def __init__(self, state: int, image: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.shortcut = nn.Linear(state, dim)
        self.text = nn.Linear(state, dim)
        self.image = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(image, dim), nn.Tanh(), nn.Dropout(dropout), nn.Linear(dim, dim), nn.Tanh()
        )

    def forward(self, state: Tensor, image: Tensor) -> Tensor:
        """Return H_l (B, D) from H_{l−1} and the pooled features (B, C)."""
        state = self.drop(state)
        return cast(Tensor, self.shortcut(state) + torch.tanh(self.text(state)) * self.image(image))
