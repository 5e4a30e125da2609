"""JVSM's losses: picture, description and query drawn together in one space."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cirray.composers import Retriever
from cirray.errors import ConfigError
from cirray.objectives.bidirectional_hinge import HingeConfig, hinge_of
from cirray.objectives.loss import Loss, LossValue, losses
from cirray.objectives.view import View


class JvsmCompositionalConfig(HingeConfig):
    """Settings of `JvsmCompositional`.

    Attributes:
        image_weight: of the hinge between queries and target pictures.
        text_weight: of the hinge between queries and target descriptions.
        vse_weight: of the hinge between target pictures and their descriptions.
    """

    name: Literal["jvsm-compositional"] = "jvsm-compositional"
    image_weight: float = Field(1.0, ge=0)
    text_weight: float = Field(1.0, ge=0)
    vse_weight: float = Field(1.0, ge=0)


@losses.register("jvsm-compositional")
class JvsmCompositional(Loss):
    """The bidirectional hinge between each two of query, target picture and target description.

    Chen and Bazzani, "Learning Joint Visual Semantic Matching Embeddings for Language-Guided Retrieval" (ECCV 2020).
    With c the query, v the target's gallery vector and t its description's vector, all L2-normalised, and hinge(a, b)
    = [d(a, b) − d(a, b⁻) + m]₊ + [d(a, b) − d(a⁻, b) + m]₊:

        L = w_i · hinge(c, v) + w_t · hinge(c, t) + w_v · hinge(v, t)

    The last term is the poster's L_vse. The first two are our own reconstruction of its "compositional losses", whose
    exact form could not be had: the same hinge, because the poster gives no other, and both with the query, because
    the abstract speaks of one model that matches texts with pictures and composes queries. Margin 0.2, semi-hard
    mining and equal weights are own choices too, the first two after VAL by the same author.

    Pairs whose target has no description count in the first term only; in the others they are neither pairs nor
    negatives.
    """

    Config = JvsmCompositionalConfig
    needs_descriptions = True

    def __init__(self, config: JvsmCompositionalConfig, model: Retriever) -> None:
        super().__init__(config, model)
        if not model.composer.describes:
            raise ConfigError(
                "The loss jvsm-compositional compares queries with descriptions, for which composer "
                f"{model.config.composer.name!r} has no vectors.",
                hint="Choose another loss, or a composer that has them, such as jvsm.",
            )
        self.config = config

    def forward(self, view: View) -> LossValue:
        """Return the weighted sum of the three means over the pairs that each is about."""
        given = view.batch.target_descriptions
        assert given is not None
        queries, targets, descriptions, config = view.queries, view.targets, view.described_targets, self.config
        image = hinge_of(config, queries, targets)
        text = hinge_of(config, queries, descriptions, given.known)
        vse = hinge_of(config, targets, descriptions, given.known)
        total = config.image_weight * image + config.text_weight * text + config.vse_weight * vse
        return LossValue(total, {"image": image.detach(), "text": text.detach(), "vse": vse.detach()})
