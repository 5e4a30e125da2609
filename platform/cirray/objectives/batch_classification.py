"""Batch-based classification: each query must pick its target out of the batch."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import nn

from cirray.composers import Retriever
from cirray.objectives.gather import gather
from cirray.objectives.loss import Loss, LossConfig, LossValue, losses
from cirray.objectives.view import View


class BatchClassificationConfig(LossConfig):
    """Settings of `BatchClassification`.

    Attributes:
        scale: initial s of the normalisation layer; logits are s² times the cosine.
    """

    name: Literal["batch-classification"] = "batch-classification"
    scale: float = 4.0


@losses.register("batch-classification")
class BatchClassification(Loss):
    """Cross-entropy of every query over all targets of the batch, those of the other workers included.

    Vo et al., "Composing Text and Image for Image Retrieval" (CVPR 2019), Eq. 6 (K = B, M = 1):

        L = −(1/B) Σ_i log( exp κ(q_i, t_i) / Σ_j exp κ(q_i, t_j) ),   κ(q, t) = s² · cos(q, t)

    The learnable scale s, shared by queries and targets and 4 at the start, is from the released code.
    """

    Config = BatchClassificationConfig

    def __init__(self, config: BatchClassificationConfig, model: Retriever) -> None:
        super().__init__(config, model)
        self.scale = nn.Parameter(torch.tensor(config.scale))

    def forward(self, view: View) -> LossValue:
        """Return the mean over the queries."""
        queries = self.scale * F.normalize(view.queries, dim=1)
        candidates, first = gather(self.scale * F.normalize(view.targets, dim=1))
        own = torch.arange(first, first + len(queries), device=queries.device)
        loss = F.cross_entropy(queries @ candidates.T, own)
        return LossValue(loss, {"scale": self.scale.detach()})
