"""TIRG on the pooled vector: text image residual gating."""

from __future__ import annotations

from typing import Literal, cast

from torch import Tensor, nn

from cirray.composers.composer import Composer, composers
from cirray.composers.gating import Branches, GatingConfig, ResidualGating
from cirray.composers.papers import TIRG
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape


class TirgLastFcConfig(GatingConfig):
    """Settings of `TirgLastFc`.

    Attributes:
        branches: "code" for the gate and the residual of the released code, "paper" for Eqs. 2 and 3 to the letter.
    """

    name: Literal["tirg-last-fc"] = "tirg-last-fc"
    branches: Branches = "code"


@composers.register("tirg-last-fc")
class TirgLastFc(Composer):
    """Keep what the gate lets through of the reference's vector, and add what the text asks for.

    Vo et al., "Composing Text and Image for Image Retrieval: An Empirical Odyssey" (CVPR 2019), Eqs. 1 to 3.
    With x (B, D) the reference's vector and t (B, T) the text's:

        query = w_g · sigmoid(g) ⊙ x + w_r · r      Eq. 1; `ResidualGating` has g and r, in both forms

    A gallery picture has the vector x. The released code, which produced the published figures, is the default: its
    gate has one layer where the paper has two, and batch norm stands once, at the input of each branch, where the
    paper speaks of every layer. The paper does not give the initial weights 1 and 10. The code creates four such
    weights and uses two. The first layer of a branch keeps all D + T values.
    """

    Config = TirgLastFcConfig
    paper = TIRG
    explains = ("gate", "residual")

    def __init__(self, config: TirgLastFcConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        self.parts = (config.dim,)
        self.project = nn.Linear(image.pooled, config.dim)
        self.gating = ResidualGating(config, text.sentence, branches=config.branches)

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D)."""
        assert reference is not None
        assert text is not None
        return cast(Tensor, self.gating(self.embed(reference), text.sentence))

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the projected pooled features (B, D)."""
        return cast(Tensor, self.project(image.pooled))

    def explain(self, reference: ImageFeatures | None, text: TextFeatures | None) -> dict[str, Tensor]:
        """Return "gate" and "residual", (B, 1, 1): this form sees no positions, so that each map has one for all.

        "gate" is how far the gate is open, on average over the values of the vector; "residual" the share of the
        residual's length in the lengths of Eq. 1's two terms.
        """
        assert reference is not None
        assert text is not None
        gate, kept, added = self.gating.terms(self.embed(reference), text.sentence)
        lengths = kept.norm(dim=1), added.norm(dim=1)
        share = lengths[1] / (lengths[0] + lengths[1]).clamp_min(1e-12)
        return {"gate": gate.mean(dim=1)[:, None, None], "residual": share[:, None, None]}
