"""The soft triplet: each query must be more like its target than like another."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from torch import Tensor

from cirray.composers import Retriever
from cirray.objectives.distances import Similarity, similarities
from cirray.objectives.gather import gather
from cirray.objectives.loss import LossValue, losses
from cirray.objectives.scaled import ScaledConfig, ScaledLoss
from cirray.objectives.view import View


class SoftTripletConfig(ScaledConfig):
    """Settings of `SoftTriplet`.

    Attributes:
        similarity: κ.
        negatives: "all" for each query against all other targets (the paper); "sampled" for a few triplets of each
            query and each target, among queries and targets alike (the released code).
        triplets: of each anchor, where they are sampled.
    """

    name: Literal["soft-triplet"] = "soft-triplet"
    similarity: Similarity = "squared-l2"
    negatives: Literal["all", "sampled"] = "all"
    triplets: int = Field(3, ge=1)


@losses.register("soft-triplet")
class SoftTriplet(ScaledLoss):
    """Softplus of how much more like a query another target is than its own.

    Vo et al., "Composing Text and Image for Image Retrieval" (CVPR 2019), Eq. 5 (K = 2, every set once):

        L = (1/B) Σ_i (1/(B − 1)) Σ_{j ≠ i} log(1 + exp(κ(q_i, t_j) − κ(q_i, t_i)))

    κ is the dot product or the negative L2 distance in the paper, which does not say where which; the released
    code, and so the default here, takes the negative squared L2 distance, which is twice the dot product and a
    constant where all vectors have length s.

    The code's loss is another one ("sampled"): queries and targets are 2B vectors in which the two of one triplet
    have one label. Each of them is an anchor, with the other of its label as the positive, and 3 negatives drawn
    without replacement among all vectors of other labels, queries as well as targets:

        L = (1/(6B)) Σ_a Σ_{n ∈ N_a} log(1 + exp(d(a, p_a) − d(a, n))),   d squared L2

    Its backward pass is written by hand and leaves out the factor 2 of the derivative of a square, so that its
    gradients are half of those of the loss that it states. Set `weight` to 0.5 to repeat its steps.
    """

    Config = SoftTripletConfig

    def __init__(self, config: SoftTripletConfig, model: Retriever) -> None:
        super().__init__(config, model)
        self.config = config

    def forward(self, view: View) -> LossValue:
        """Return the mean over the triplets."""
        queries, targets, config = self.scaled(view.queries), self.scaled(view.targets), self.config
        if config.negatives == "all":
            value = soft_triplet(queries, targets, config.similarity)
        else:
            value = sampled_soft_triplet(queries, targets, config.similarity, config.triplets)
        return LossValue(value, {"scale": self.scale.detach()})


def soft_triplet(anchors: Tensor, positives: Tensor, similarity: Similarity) -> Tensor:
    """Return the mean over own anchors and all workers' other positives.

    Args:
        anchors: (B, D), each in the place of its positive.
        positives: (B, D).
        similarity: κ.
    """
    candidates, first = gather(positives)
    own = torch.arange(first, first + len(anchors), device=anchors.device)[:, None]
    alike = similarities(anchors, candidates, similarity)
    values = F.softplus(alike - alike.gather(1, own)).scatter(1, own, 0.0)
    return values.sum(dim=1).mean() / max(1, len(candidates) - 1)


def sampled_soft_triplet(queries: Tensor, targets: Tensor, similarity: Similarity, triplets: int) -> Tensor:
    """Return the mean over `triplets` triplets of each own query and each own target.

    Args:
        queries: (B, D), each in the place of its target.
        targets: (B, D).
        similarity: κ.
        triplets: of each anchor, or as many as there are negatives.
    """
    all_queries, first = gather(queries)
    all_targets, _ = gather(targets)
    number = len(all_queries)
    alike = similarities(torch.cat([queries, targets]), torch.cat([all_queries, all_targets]), similarity)
    own = torch.arange(first, first + len(queries), device=queries.device).repeat(2)[:, None]
    same_label = torch.cat([own, own + number], dim=1)
    positive = alike.gather(1, torch.cat([own[: len(queries)] + number, own[: len(queries)]]))
    # Drawn for all rows, whoever has them, so that one worker draws what several draw together.
    keys = torch.rand(2, number, 2 * number, device=alike.device)[:, first : first + len(queries)].flatten(0, 1)
    keys = keys.scatter(1, same_label, -1.0)
    drawn = keys.topk(min(triplets, 2 * number - 2), dim=1).indices
    return F.softplus(alike.gather(1, drawn) - positive).mean()
