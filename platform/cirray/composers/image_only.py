"""Image only: the query is the reference itself."""

from __future__ import annotations

from typing import Literal, cast

from torch import Tensor, nn

from cirray.composers.composer import Composer, VectorConfig, composers
from cirray.composers.papers import TIRG
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape


class ImageOnlyConfig(VectorConfig):
    """Settings of `ImageOnly`."""

    name: Literal["image-only"] = "image-only"


@composers.register("image-only")
class ImageOnly(Composer):
    """The reference's own vector; a baseline of Vo et al., "Composing Text and Image…" (CVPR 2019), table 1."""

    Config = ImageOnlyConfig
    paper = TIRG
    uses_text = False

    def __init__(self, config: ImageOnlyConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        self.parts = (config.dim,)
        self.project = nn.Linear(image.pooled, config.dim)

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the references' vectors (B, D)."""
        assert reference is not None
        return self.embed(reference)

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the projected pooled features (B, D)."""
        return cast(Tensor, self.project(image.pooled))
