"""Classification among drawn candidates: each query must pick its target out of M sets of K."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cirray.composers import Retriever
from cirray.errors import ConfigError
from cirray.objectives.gather import gather
from cirray.objectives.loss import LossValue, losses
from cirray.objectives.scaled import ScaledConfig, ScaledLoss
from cirray.objectives.view import View


class SampledClassificationConfig(ScaledConfig):
    """Settings of `SampledClassification`.

    Attributes:
        candidates: K, how many targets are in a set, the query's own among them; at most the whole batch.
        sets: M, how many sets each query gets.
    """

    name: Literal["sampled-classification"] = "sampled-classification"
    candidates: int = Field(2, ge=2)
    sets: int = Field(3, ge=1)


@losses.register("sampled-classification")
class SampledClassification(ScaledLoss):
    """Cross-entropy of every query over M sets, each of its target and K − 1 others of the batch.

    Vo et al., "Composing Text and Image for Image Retrieval" (CVPR 2019), Eq. 4:

        L = −(1/(M·B)) Σ_i Σ_m log( exp κ(q_i, t_i) / Σ_{t ∈ N_i^m} exp κ(q_i, t) ),   κ(q, t) = s² · cos(q, t)

    N_i^m holds t_i and K − 1 other targets, drawn without replacement, here out of those of all workers. With
    K = B it is batch classification (Eq. 6) whatever M is, and with K = 2 and M = B − 1 the soft triplet (Eq. 5) over
    all negatives. Own choice: the sets of a query do not share negatives as long as there are enough of them,
    because the paper asks for sets that differ, and so that the second case holds exactly. The number of sets is
    our own choice too: the paper says that it takes fewer than all, and not how many. Its released code knows the
    cases K = B and K = 2 only.
    """

    Config = SampledClassificationConfig

    def __init__(self, config: SampledClassificationConfig, model: Retriever) -> None:
        super().__init__(config, model)
        self.candidates, self.sets = config.candidates, config.sets

    @classmethod
    def smallest_batch(cls, config: SampledClassificationConfig) -> int:
        """Return the size of a set, which all comes from one batch."""
        return config.candidates

    def forward(self, view: View) -> LossValue:
        """Return the mean over queries and sets.

        Raises:
            ConfigError: the batch has fewer targets than a set.
        """
        value = sampled_classification(
            self.scaled(view.queries), self.scaled(view.targets), self.candidates, self.sets
        )
        return LossValue(value, {"scale": self.scale.detach()})


def sampled_classification(anchors: Tensor, positives: Tensor, candidates: int, sets: int) -> Tensor:
    """Return the mean cross-entropy of own anchors over `sets` sets of `candidates` drawn from all positives.

    Args:
        anchors: (B, D), each in the place of its positive; their dot products are the logits.
        positives: (B, D).
        candidates: K ≥ 2, the positive included.
        sets: M ≥ 1.

    Raises:
        ConfigError: there are fewer positives than `candidates`.
    """
    everyone, first = gather(positives)
    if candidates > len(everyone):
        raise ConfigError(
            f"Sets of {candidates} targets were asked of a batch of {len(everyone)}.",
            hint="Lower the loss's setting candidates, or raise training.batch_size.",
        )
    own = torch.arange(first, first + len(anchors), device=anchors.device)
    drawn = draw_others(own, len(everyone), candidates - 1, sets)
    logits = anchors @ everyone.T
    negatives = logits.gather(1, drawn.flatten(1)).view(drawn.shape)
    positive = logits.gather(1, own[:, None])
    in_set = torch.cat([positive[:, None].expand(-1, sets, -1), negatives], dim=2)
    return (in_set.logsumexp(dim=2) - positive).mean()


def draw_others(own: Tensor, number: int, size: int, sets: int) -> Tensor:
    """Return (B, sets, size) columns, drawn for each row out of `number` without its own (B,).

    No set has a column twice, and no column comes twice in a row as long as there are enough of them.
    """
    sets_in_round = (number - 1) // size
    rounds = -(-sets // sets_in_round)
    # Drawn for all rows, whoever has them, so that one worker draws what several draw together.
    keys = torch.rand(number, rounds, number, device=own.device)[own]
    keys.scatter_(2, own[:, None, None].expand(-1, rounds, 1), 2.0)
    drawn = keys.argsort(dim=2)[..., : sets_in_round * size]
    return drawn.reshape(len(own), rounds * sets_in_round, size)[:, :sets]
