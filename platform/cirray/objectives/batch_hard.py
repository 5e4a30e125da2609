"""The batch-hard triplet: each vector against the closest of another label."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from torch import Tensor

from cirray.composers import Retriever
from cirray.objectives.distances import Distance, distances
from cirray.objectives.gather import gather
from cirray.objectives.loss import LossValue, losses
from cirray.objectives.scaled import ScaledConfig, ScaledLoss
from cirray.objectives.view import View


class BatchHardConfig(ScaledConfig):
    """Settings of `BatchHard`.

    Attributes:
        margin: m, by which the positive must be closer than the hardest negative.
        distance: squared L2 (RTIC), or L2.
    """

    name: Literal["batch-hard"] = "batch-hard"
    scale: float = Field(4.82, gt=0)
    margin: float = Field(1.0, ge=0)
    distance: Distance = "squared-l2"


@losses.register("batch-hard")
class BatchHard(ScaledLoss):
    """Each query and each target, with the other of its triplet as positive and the closest other as negative.

    Hermans et al., "In Defense of the Triplet Loss for Person Re-Identification" (2017), as RTIC (Shin et al.,
    "RTIC: Residual Learning for Text and Image Composition using Graph Convolutional Network", 2021) trains with it
    in its optimal environment: queries and targets are 2B vectors of length s = 4.82, in which the two of one triplet
    have one label. With a each of them, p_a the other of its label, and n any of another label, query or target:

        L = (1/(2B)) Σ_a [d(a, p_a) − min_n d(a, n) + m]₊,   d squared L2, m = 1
    """

    Config = BatchHardConfig

    def __init__(self, config: BatchHardConfig, model: Retriever) -> None:
        super().__init__(config, model)
        self.config = config

    def forward(self, view: View) -> LossValue:
        """Return the mean over queries and targets."""
        value = batch_hard(
            self.scaled(view.queries), self.scaled(view.targets), self.config.margin, self.config.distance
        )
        return LossValue(value, {"scale": self.scale.detach()})


def batch_hard(queries: Tensor, targets: Tensor, margin: float, distance: Distance) -> Tensor:
    """Return the mean over own queries and targets of the hinge with the hardest negative among all workers'.

    Args:
        queries: (B, D), each in the place of its target.
        targets: (B, D).
        margin: m ≥ 0.
        distance: d.
    """
    all_queries, first = gather(queries)
    all_targets, _ = gather(targets)
    size, number = len(queries), len(all_queries)
    away = distances(torch.cat([queries, targets]), torch.cat([all_queries, all_targets]), distance)
    own = torch.arange(first, first + size, device=queries.device).repeat(2)[:, None]
    positive = away.gather(1, torch.cat([own[:size] + number, own[:size]]))
    negatives = away.scatter(1, torch.cat([own, own + number], dim=1), torch.inf)
    return F.relu(margin + positive - negatives.amin(dim=1, keepdim=True)).mean()
