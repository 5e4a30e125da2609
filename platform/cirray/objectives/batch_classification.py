"""Batch-based classification: each query must pick its target out of the batch."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor

from cirray.composers import Retriever
from cirray.objectives.gather import gather
from cirray.objectives.loss import LossValue, losses
from cirray.objectives.scaled import ScaledConfig, ScaledLoss
from cirray.objectives.view import View

Direction = Literal["to-targets", "to-queries", "both"]


class BatchClassificationConfig(ScaledConfig):
    """Settings of `BatchClassification`.

    Attributes:
        direction: whether each query picks its target, each target its query, or the mean of both.
    """

    name: Literal["batch-classification"] = "batch-classification"
    direction: Direction = "to-targets"


@losses.register("batch-classification")
class BatchClassification(ScaledLoss):
    """Cross-entropy of every query over all targets of the batch, those of the other workers included.

    Vo et al., "Composing Text and Image for Image Retrieval" (CVPR 2019), Eq. 6 (K = B, M = 1):

        L = −(1/B) Σ_i log( exp κ(q_i, t_i) / Σ_j exp κ(q_i, t_j) ),   κ(q, t) = s² · cos(q, t)

    The learnable scale s, shared by queries and targets and 4 at the start, is from the released code. Paper and
    code let queries pick targets. RTIC's released code has it the other way round ("to-queries"): there the sum
    under the fraction runs over the batch's queries. For both ways at once, as is usual where pictures and texts
    are matched, the two losses are averaged.
    """

    Config = BatchClassificationConfig

    def __init__(self, config: BatchClassificationConfig, model: Retriever) -> None:
        super().__init__(config, model)
        self.direction = config.direction

    def forward(self, view: View) -> LossValue:
        """Return the mean over the queries."""
        value = classification(self.scaled(view.queries), self.scaled(view.targets), self.direction)
        return LossValue(value, {"scale": self.scale.detach()})


def classification(queries: Tensor, targets: Tensor, direction: Direction) -> Tensor:
    """Return the loss of one direction, or the mean of both.

    Args:
        queries: (B, D).
        targets: (B, D), each in the place of its query.
        direction: which of them pick the others.
    """
    if direction == "to-targets":
        return batch_classification(queries, targets)
    if direction == "to-queries":
        return batch_classification(targets, queries)
    # Side by side, so that both come from the other workers at once.
    everyone, first = gather(torch.cat([queries, targets], dim=1))
    all_queries, all_targets = everyone.split([queries.shape[1], targets.shape[1]], dim=1)
    return (_cross_entropy(queries, all_targets, first) + _cross_entropy(targets, all_queries, first)) / 2


def batch_classification(anchors: Tensor, positives: Tensor) -> Tensor:
    """Return the mean over own anchors of the cross-entropy over all workers' positives.

    Args:
        anchors: (B, D), each in the place of its positive; their dot products are the logits.
        positives: (B, D).
    """
    return _cross_entropy(anchors, *gather(positives))


def _cross_entropy(anchors: Tensor, candidates: Tensor, first: int) -> Tensor:
    """Return the mean over the anchors, of which number i has the candidate `first` + i for its own."""
    own = torch.arange(first, first + len(anchors), device=anchors.device)
    return F.cross_entropy(anchors @ candidates.T, own)
