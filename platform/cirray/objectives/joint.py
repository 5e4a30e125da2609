"""The loss of "in Joint": retrieval, and pictures next to their descriptions."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from torch import Tensor, nn

from cirray.composers import Retriever
from cirray.errors import ConfigError
from cirray.objectives.gather import gather
from cirray.objectives.loss import Loss, LossConfig, LossValue, losses
from cirray.objectives.view import Texts, View


class JointLossConfig(LossConfig):
    """Settings of `JointLoss`.

    Attributes:
        reference_weight: of references against their descriptions.
        target_weight: of targets against their descriptions.
        retrieval_weight: of queries against targets.
        scale: initial s of the normalisation; logits are s² times the cosine.
        learn_scale: whether s is learned.
    """

    name: Literal["joint"] = "joint"
    reference_weight: float = Field(1.0, ge=0)
    target_weight: float = Field(1.0, ge=0)
    retrieval_weight: float = Field(2.0, ge=0)
    scale: float = Field(4.0, gt=0)
    learn_scale: bool = True


@losses.register("joint")
class JointLoss(Loss):
    """Cross-entropy of references and targets over the batch's descriptions, and of queries over its targets.

    Dong et al., "Using Text to Teach Image Retrieval" (CVPR Workshops 2021). With ψ pictures, φ descriptions and q
    queries, all in one space:

        L = C(ψ_reference, φ_reference) + C(ψ_target, φ_target) + 2 · C(q, ψ_target)
        C(u, v) = −(1/B) Σ_i log( exp κ(u_i, v_i) / Σ_j exp κ(u_i, v_j) ),    κ(u, v) = s² · cos(u, v)

    The paper's C are sums over its batch of 50; these are means, like those of all losses here, so that its learning
    rate goes with a weight of 50. It gives no scale: with s = 1 no C could fall below log(1 + 49·exp(−2)) = 2.03, and
    s = 4, learned, is TIRG's (own choice).

    A picture without a description takes no part in its C, neither as u nor as v, and the mean is over the others, of
    all workers. Where no picture has one, C is zero. Candidates are those of all workers.
    """

    Config = JointLossConfig
    needs_descriptions = True

    def __init__(self, config: JointLossConfig, model: Retriever) -> None:
        super().__init__(config, model)
        if not model.composer.describes:
            raise ConfigError(
                "The loss 'joint' compares pictures with descriptions, for which composer "
                f"{model.config.composer.name!r} has no place.",
                hint="Set model.composer to {name: joint, inner: …}, with that composer as the inner one.",
            )
        self.config = config
        self.scale = nn.Parameter(torch.tensor(config.scale), requires_grad=config.learn_scale)

    def forward(self, view: View) -> LossValue:
        """Return the weighted sum of the three terms."""
        references, targets = self._scaled(view.references), self._scaled(view.targets)
        terms = {
            "reference": _matched(
                references, self._scaled(view.described_references), _known(view.batch.reference_descriptions)
            ),
            "target": _matched(targets, self._scaled(view.described_targets), _known(view.batch.target_descriptions)),
            "retrieval": _matched(
                self._scaled(view.queries), targets, torch.ones(len(targets), device=targets.device) > 0
            ),
        }
        total = (
            self.config.reference_weight * terms["reference"]
            + self.config.target_weight * terms["target"]
            + self.config.retrieval_weight * terms["retrieval"]
        )
        return LossValue(
            total, {name: term.detach() for name, term in terms.items()} | {"scale": self.scale.detach()}
        )

    def _scaled(self, vectors: Tensor) -> Tensor:
        return self.scale * F.normalize(vectors, dim=1)


def _known(texts: Texts | None) -> Tensor:
    assert texts is not None, "training gives descriptions to a loss that `needs_descriptions`"
    return texts.known


def _matched(rows: Tensor, candidates: Tensor, known: Tensor) -> Tensor:
    """Return the mean over the known rows of all workers of the cross-entropy over the known candidates.

    Args:
        rows: (B, D), of this worker.
        candidates: (B, D), of which the i-th belongs to the i-th row.
        known: (B,) bool.
    """
    everything, first = gather(candidates)
    known_everywhere = gather(known.float())[0] > 0
    logits = (rows @ everything.T).masked_fill(~known_everywhere, -torch.inf)
    own = torch.arange(first, first + len(rows), device=rows.device)
    loss = F.cross_entropy(logits[known], own[known], reduction="sum")
    # Each worker's loss is averaged with the others', which may know more or fewer: all divide by the mean number.
    workers = len(everything) // len(rows)
    return loss * workers / known_everywhere.sum().clamp_min(1)
