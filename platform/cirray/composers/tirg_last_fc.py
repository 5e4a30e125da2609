"""TIRG on the pooled vector: text image residual gating."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from cirray.composers.composer import Composer, VectorConfig, composers
from cirray.composers.papers import TIRG
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape


class TirgLastFcConfig(VectorConfig):
    """Settings of `TirgLastFc`.

    Attributes:
        gate_weight: initial weight of the gated reference, w_g in Eq. 1.
        residual_weight: initial weight of the residual, w_r in Eq. 1.
        branches: "code" for the gate and the residual of the released code, "paper" for Eqs. 2 and 3 to the letter.
    """

    name: Literal["tirg-last-fc"] = "tirg-last-fc"
    gate_weight: float = 1.0
    residual_weight: float = 10.0
    branches: Literal["code", "paper"] = "code"


@composers.register("tirg-last-fc")
class TirgLastFc(Composer):
    """Keep what the gate lets through of the reference's vector, and add what the text asks for.

    Vo et al., "Composing Text and Image for Image Retrieval: An Empirical Odyssey" (CVPR 2019), Eqs. 1 to 3.
    With x (B, D) the reference's vector, t (B, T) the text's, z = [x; t]:

        query = w_g · sigmoid(g) ⊙ x + w_r · r      Eq. 1

                  branches "code"                   branches "paper" (Eqs. 2, 3)
        g =       V relu(bn(z))                     bn(V_2 relu(bn(V_1 z)))
        r =       W_2 relu(W_1 relu(bn(z)))         bn(W_2 relu(bn(W_1 z)))

    A gallery picture has the vector x. The released code, which produced the published figures, is the default: its
    gate has one layer where the paper has two, and batch norm stands once, at the input of each branch, where the
    paper speaks of every layer. The paper does not give the initial weights 1 and 10. The code creates four such
    weights and uses two. V_1, W_1 keep all D + T values. In "paper" the layers have no bias, which the batch norm
    behind them would cancel.
    """

    Config = TirgLastFcConfig
    paper = TIRG
    explains = ("gate", "residual")

    def __init__(self, config: TirgLastFcConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        self.parts = (config.dim,)
        both = config.dim + text.sentence
        self.project = nn.Linear(image.pooled, config.dim)
        if config.branches == "paper":
            self.gate, self.residual = _paper_branch(both, config.dim), _paper_branch(both, config.dim)
        else:
            self.gate = nn.Sequential(nn.BatchNorm1d(both), nn.ReLU(), nn.Linear(both, config.dim))
            self.residual = nn.Sequential(
                nn.BatchNorm1d(both), nn.ReLU(), nn.Linear(both, both), nn.ReLU(), nn.Linear(both, config.dim)
            )
        self.weights = nn.Parameter(torch.tensor([config.gate_weight, config.residual_weight]))

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D)."""
        _, kept, added = self._terms(reference, text)
        return kept + added

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the projected pooled features (B, D)."""
        return cast(Tensor, self.project(image.pooled))

    def explain(self, reference: ImageFeatures | None, text: TextFeatures | None) -> dict[str, Tensor]:
        """Return "gate" and "residual", (B, 1, 1): this form sees no positions, so that each map has one for all.

        "gate" is how far the gate is open, on average over the values of the vector; "residual" the share of the
        residual's length in the lengths of Eq. 1's two terms.
        """
        gate, kept, added = self._terms(reference, text)
        lengths = kept.norm(dim=1), added.norm(dim=1)
        share = lengths[1] / (lengths[0] + lengths[1]).clamp_min(1e-12)
        return {"gate": gate.mean(dim=1)[:, None, None], "residual": share[:, None, None]}

    def _terms(self, reference: ImageFeatures | None, text: TextFeatures | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return the open gate and the two weighted terms of Eq. 1, each (B, D)."""
        assert reference is not None
        assert text is not None
        vector = self.embed(reference)
        both = torch.cat([vector, text.sentence], dim=1)
        gate = torch.sigmoid(self.gate(both))
        return gate, self.weights[0] * gate * vector, self.weights[1] * self.residual(both)


def _paper_branch(both: int, dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(both, both, bias=False),
        nn.BatchNorm1d(both),
        nn.ReLU(),
        nn.Linear(both, dim, bias=False),
        nn.BatchNorm1d(dim),
    )
