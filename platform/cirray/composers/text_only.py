"""Text only: the query is the modification text itself."""

from __future__ import annotations

from typing import Literal, cast

from torch import Tensor, nn

from cirray.composers.composer import Composer, VectorConfig, composers
from cirray.composers.papers import TIRG
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape


class TextOnlyConfig(VectorConfig):
    """Settings of `TextOnly`."""

    name: Literal["text-only"] = "text-only"


@composers.register("text-only")
class TextOnly(Composer):
    """The text's own vector; a baseline of Vo et al., "Composing Text and Image…" (CVPR 2019), table 1.

    The paper's text and image vectors have one size; here a linear layer brings the text to `dim`.
    """

    Config = TextOnlyConfig
    paper = TIRG
    uses_reference = False

    def __init__(self, config: TextOnlyConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        self.parts = (config.dim,)
        self.project = nn.Linear(image.pooled, config.dim)
        self.project_text = nn.Linear(text.sentence, config.dim)

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the texts' vectors (B, D)."""
        assert text is not None
        return cast(Tensor, self.project_text(text.sentence))

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the projected pooled features (B, D)."""
        return cast(Tensor, self.project(image.pooled))
