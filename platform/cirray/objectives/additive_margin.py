"""Additive-margin softmax: each query must pick its target out of the batch, by a margin."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from torch import Tensor

from cirray.composers import Retriever
from cirray.objectives.gather import gather
from cirray.objectives.loss import Loss, LossConfig, LossValue, losses
from cirray.objectives.view import View


class AdditiveMarginConfig(LossConfig):
    """Settings of `AdditiveMargin`.

    Attributes:
        margin: m, taken from the logit of each query's own target.
        scale: by which scores are multiplied to be logits.
    """

    name: Literal["additive-margin"] = "additive-margin"
    margin: float = Field(0.3, ge=0)
    scale: float = Field(1.0, gt=0)


@losses.register("additive-margin")
class AdditiveMargin(Loss):
    """Cross-entropy of every query over all targets of the batch, its own made harder by a margin.

    CurlingNet (Yu et al., "CurlingNet: Compositional Learning between Images and Text for Fashion IQ Data", ICCV
    workshop 2019), as in its released code: with S the scores of the composer (`rescore`), in one direction,

        L = −(1/B) Σ_i log( exp(S_ii − m) / (exp(S_ii − m) + Σ_{j ≠ i} exp(S_ij)) ),   m = 0.3

    Scores are those by which the composer ranks, so that it also trains methods whose gallery side depends on the
    query. CurlingNet's scores have a scale of their own (5 · 5 cosines at the start). Own choice: composers that
    score by bare cosines need `scale`, 25 for the same start, which multiplies the scores before the margin.
    """

    Config = AdditiveMarginConfig

    def __init__(self, config: AdditiveMarginConfig, model: Retriever) -> None:
        super().__init__(config, model)
        self.config = config

    def forward(self, view: View) -> LossValue:
        """Return the mean over the queries."""
        gallery, first = gather(view.targets)
        return LossValue(additive_margin(self.config.scale * view.scores(gallery), first, self.config.margin))


def additive_margin(logits: Tensor, first: int, margin: float) -> Tensor:
    """Return the mean cross-entropy of `logits` (B, N), where each row's own column, first + i, is lowered first."""
    own = torch.arange(first, first + len(logits), device=logits.device)
    lowered = logits - margin * F.one_hot(own, logits.shape[1])
    return F.cross_entropy(lowered, own)
