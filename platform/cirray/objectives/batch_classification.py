"""Batch-based classification: each query must pick its target out of the batch."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor, nn

from cirray.config import Choice
from cirray.objectives.gather import gather
from cirray.objectives.objective import Loss, Objective, objectives


class BatchClassificationConfig(Choice):
    """Settings of `BatchClassification`.

    Attributes:
        scale: initial s of the normalisation layer; logits are s² times the cosine.
    """

    name: Literal["batch-classification"] = "batch-classification"
    scale: float = 4.0


@objectives.register("batch-classification")
class BatchClassification(Objective):
    """Cross-entropy of every query over all targets of the batch, those of the other workers included.

    Vo et al., "Composing Text and Image for Image Retrieval" (CVPR 2019), Eq. 6 (K = B, M = 1):

        L = −(1/B) Σ_i log( exp κ(q_i, t_i) / Σ_j exp κ(q_i, t_j) ),   κ(q, t) = s² · cos(q, t)

    The learnable scale s, shared by queries and targets and 4 at the start, is from the released code.
    """

    Config = BatchClassificationConfig

    def __init__(self, config: BatchClassificationConfig) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(config.scale))

    def forward(self, queries: Tensor, targets: Tensor) -> Loss:
        """Return the loss of queries (B, D) and targets (B, D)."""
        queries = self.scale * F.normalize(queries, dim=1)
        candidates, first = gather(self.scale * F.normalize(targets, dim=1))
        own = torch.arange(first, first + len(queries), device=queries.device)
        loss = F.cross_entropy(queries @ candidates.T, own)
        return Loss(loss, {"batch_classification": loss.detach(), "scale": self.scale.detach()})
