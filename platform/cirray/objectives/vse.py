"""Visual-semantic embedding: pictures and their descriptions in one space."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from cirray.composers import Retriever
from cirray.errors import ConfigError
from cirray.objectives.bidirectional_hinge import HingeConfig, hinge_of
from cirray.objectives.loss import Loss, LossValue, losses
from cirray.objectives.view import View


class VseConfig(HingeConfig):
    """Settings of `Vse`. Set `last_epoch` for pre-training, and `first_epoch` of the other losses to the next one.

    Attributes:
        sides: whose pictures and descriptions: those of the references, of the targets, or the mean of both.
    """

    name: Literal["vse"] = "vse"
    sides: Literal["references", "targets", "both"] = "both"


@losses.register("vse")
class Vse(Loss):
    """The bidirectional hinge between pictures and their descriptions, summed over the parts of the vectors.

    Chen, Gong, Bazzani, "Image Search with Text Feedback by Visiolinguistic Attention Learning" (CVPR 2020), L_vs.
    With x the part of one level of a picture's gallery vector, t the sentence vector of its description, and
    W_vs a projection of that level, all L2-normalised after it:

        L = Σ_levels (1/B) Σ_i [d(W_vs x_i, t_i) − d(W_vs x_i, t⁻) + m]₊ + [d(W_vs x_i, t_i) − d(W_vs x⁻, t_i) + m]₊

    The paper trains with it jointly (Fashion200k) or before the rest (Shoes, FashionIQ, there with Fashion200k's
    descriptions); its released code has no L_vs. W_vs belongs to the loss and is not kept in the bundle.

    Pictures without a description are left out, as pairs and as negatives. Own choice: references and targets both
    count, since both have descriptions; the two batches are kept apart, because a picture that is a reference here
    and a target there would be its own negative. Other pictures with the same description are negatives.
    """

    Config = VseConfig
    needs_descriptions = True

    def __init__(self, config: VseConfig, model: Retriever) -> None:
        super().__init__(config, model)
        composer = model.composer
        if not composer.uses_text and composer.second_encoder != "descriptions":
            raise ConfigError(
                f"Loss 'vse' compares pictures with descriptions, which the model of composer "
                f"{model.config.composer.name!r} has no text encoder for.",
                hint="Leave out the loss, or choose a composer that uses text.",
            )
        self.config = config
        self.parts = list(composer.parts)
        self.projections = nn.ModuleList(
            nn.Linear(size, model.text_shape.sentence, bias=False) for size in composer.parts
        )

    def forward(self, view: View) -> LossValue:
        """Return the mean over the sides of the sum over the parts."""
        values = []
        for side in ("references", "targets"):
            if self.config.sides not in (side, "both"):
                continue
            pictures = view.references if side == "references" else view.targets
            texts = view.reference_descriptions if side == "references" else view.target_descriptions
            given = view.batch.reference_descriptions if side == "references" else view.batch.target_descriptions
            assert given is not None
            sentences = texts.sentence.float()
            for part, project in zip(pictures.split(self.parts, dim=1), self.projections, strict=True):
                values.append(hinge_of(self.config, project(part), sentences, given.known))
        return LossValue(torch.stack(values).sum() * len(self.parts) / len(values))
