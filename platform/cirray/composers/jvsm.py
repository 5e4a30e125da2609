"""JVSM: one space for pictures, their descriptions, and queries."""

from __future__ import annotations

from typing import Literal, cast

from torch import Tensor, nn

from cirray.composers.composer import Composer, Paper, composers
from cirray.composers.gating import GatingConfig, ResidualGating
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape


class JvsmConfig(GatingConfig):
    """Settings of `Jvsm`."""

    name: Literal["jvsm"] = "jvsm"


@composers.register("jvsm")
class Jvsm(Composer):
    """TIRG's gating in a space where pictures meet the texts that describe them.

    Chen and Bazzani, "Learning Joint Visual Semantic Matching Embeddings for Language-Guided Retrieval" (ECCV 2020).
    The composition is that of TIRG on pooled vectors (`ResidualGating`). Descriptions of pictures help in training
    only: the loss `jvsm-compositional` draws picture, description and query together.

        picture        v = linear(pooled)
        text           t = linear(sentence), for modification and description alike
        query          gating(v_reference, t_modification)

    The paper's text could not be had; what is known is from its abstract and poster, which say that the composer is
    TIRG's and that pictures and descriptions share a space. Own choice: one text encoder and one layer after it for
    both kinds of text, because that makes the words of a modification mean the same as those of a description. The
    initial weights 1 and 10 are those of TIRG's code. A text without any known word gets the vector that the text
    encoder gives it, as everywhere.
    """

    Config = JvsmConfig
    paper = Paper(
        "Chen and Bazzani",
        "Learning Joint Visual Semantic Matching Embeddings for Language-Guided Retrieval",
        "ECCV",
        2020,
    )
    describes = True
    needs = ("descriptions of the training pictures, for its loss",)

    def __init__(self, config: JvsmConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        self.parts = (config.dim,)
        self.project = nn.Linear(image.pooled, config.dim)
        self.project_text = nn.Linear(text.sentence, config.dim)
        self.gating = ResidualGating(config, config.dim)

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D)."""
        assert reference is not None
        assert text is not None
        return cast(Tensor, self.gating(self.embed(reference), self.describe(text)))

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the projected pooled features (B, D)."""
        return cast(Tensor, self.project(image.pooled))

    def describe(self, text: TextFeatures) -> Tensor:
        """Return the projected sentences (B, D), in the space of the pictures."""
        return cast(Tensor, self.project_text(text.sentence))
