"""The bidirectional hinge: query and target closer to each other than to others of the batch, by a margin."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from torch import Tensor

from cirray.composers import Retriever
from cirray.objectives.distances import Distance, distances
from cirray.objectives.gather import gather
from cirray.objectives.loss import Loss, LossConfig, LossValue, losses
from cirray.objectives.view import View

Mining = Literal["semi-hard", "hardest", "all"]


class HingeConfig(LossConfig):
    """Settings of losses that are made of the bidirectional hinge.

    Attributes:
        margin: m, by which a positive must be closer than a negative.
        mining: which negatives count: the closest of those that are farther than the positive, the closest, or all.
        distance: L2 (the paper) or its square (the released code), between unit vectors.
    """

    margin: float = Field(0.2, ge=0)
    mining: Mining = "semi-hard"
    distance: Distance = "l2"


class BidirectionalHingeConfig(HingeConfig):
    """Settings of `BidirectionalHinge`."""

    name: Literal["bidirectional-hinge"] = "bidirectional-hinge"


@losses.register("bidirectional-hinge")
class BidirectionalHinge(Loss):
    """The hinge between queries and targets, both ways, summed over the parts of their vectors.

    Chen, Gong, Bazzani, "Image Search with Text Feedback by Visiolinguistic Attention Learning" (CVPR 2020), L_vv.
    With q and t the L2-normalised part of one level, and t⁻ and q⁻ the negatives that are mined for the pair:

        L = Σ_levels (1/B) Σ_i [d(q_i, t_i) − d(q_i, t⁻) + m]₊ + [d(q_i, t_i) − d(q⁻, t_i) + m]₊

    Semi-hard mining follows FaceNet (Schroff et al., CVPR 2015): of the candidates that are farther from the anchor
    than its own positive, the closest; where there is none, the pair adds nothing. VAL's released code compares the
    distance from anchor i to candidate j with that of pair j instead of pair i; here the anchor's own positive
    decides. The code takes squared distances (`distance`: "squared-l2"), for which the same margin is another one.
    "hardest" and "all" are ours; "all" is a mean over the negatives, so that it does not grow with the batch.
    """

    Config = BidirectionalHingeConfig

    def __init__(self, config: BidirectionalHingeConfig, model: Retriever) -> None:
        super().__init__(config, model)
        self.config = config
        self.parts = list(model.composer.parts)

    def forward(self, view: View) -> LossValue:
        """Return the sum over the parts of the mean over the pairs; each part's value is kept under its number."""
        pairs = zip(view.queries.split(self.parts, dim=1), view.targets.split(self.parts, dim=1), strict=True)
        values = [hinge_of(self.config, queries, targets) for queries, targets in pairs]
        total = torch.stack(values).sum()
        if len(values) == 1:
            return LossValue(total)
        return LossValue(total, {f"part{number}": value.detach() for number, value in enumerate(values, 1)})


def hinge_of(config: HingeConfig, anchors: Tensor, positives: Tensor, known: Tensor | None = None) -> Tensor:
    """Return the bidirectional hinge, as `config` has it, of vectors (B, D) that are L2-normalised first."""
    return bidirectional_hinge(
        F.normalize(anchors, dim=1),
        F.normalize(positives, dim=1),
        config.margin,
        config.mining,
        distance=config.distance,
        known=known,
    )


def bidirectional_hinge(
    anchors: Tensor,
    positives: Tensor,
    margin: float,
    mining: Mining,
    *,
    distance: Distance = "l2",
    known: Tensor | None = None,
) -> Tensor:
    """Return the mean over own pairs of the hinges from anchor to positives and from positive to anchors.

    Candidates are those of all workers. The distances are between the vectors as they are: for unit vectors,
    normalise them first.

    Args:
        anchors: (B, D), each in the place of its positive.
        positives: (B, D).
        margin: m ≥ 0.
        mining: which negatives count.
        distance: d.
        known: (B,) bool, false for pairs of which one half is missing: they are neither pairs nor negatives. The
            mean is over the known pairs; over several workers, it is their mean that is one over all known pairs.
    """
    candidates, first = gather(positives)
    if known is None:
        known, valid = (torch.ones(len(each), dtype=torch.bool, device=each.device) for each in (anchors, candidates))
    else:
        valid = gather(known.float())[0] > 0
    hinges = _hinges(anchors, candidates, first, margin, mining, distance, valid)
    hinges = hinges + _hinges(positives, gather(anchors)[0], first, margin, mining, distance, valid)
    pairs = valid.sum().clamp_min(1) * len(anchors) / len(candidates)
    return hinges.masked_fill(~known, 0.0).sum() / pairs


def _hinges(
    anchors: Tensor,
    candidates: Tensor,
    first: int,
    margin: float,
    mining: Mining,
    distance: Distance,
    valid: Tensor,
) -> Tensor:
    """Return the hinge of each anchor (B,), whose positive is the candidate in its place, counted from `first`."""
    away = distances(anchors, candidates, distance)
    own = torch.arange(first, first + len(anchors), device=anchors.device)[:, None]
    positive = away.gather(1, own)
    barred = ~valid.expand_as(away).scatter(1, own, False)
    if mining == "semi-hard":
        # Written so that a distance that is no number is not barred, and shows in the loss.
        barred = barred | (away <= positive)
    gaps = margin + positive - away
    if mining == "all":
        negatives = (~barred).sum(dim=1).clamp_min(1)
        return F.relu(gaps).masked_fill(barred, 0.0).sum(dim=1) / negatives
    return F.relu(gaps.masked_fill(barred, -torch.inf).amax(dim=1))
