"""SAC's consistency loss: text and target can be told from the query."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cirray.composers import Retriever
from cirray.composers.sac import Sac
from cirray.errors import ConfigError
from cirray.objectives.loss import Loss, LossConfig, LossValue, losses
from cirray.objectives.view import View


class SacConsistencyConfig(LossConfig):
    """Settings of `SacConsistency`.

    Attributes:
        text_weight: α_t.
        image_weight: α_i.
    """

    name: Literal["sac-consistency"] = "sac-consistency"
    text_weight: float = Field(1.0, ge=0)
    image_weight: float = Field(0.1, ge=0)


@losses.register("sac-consistency")
class SacConsistency(Loss):
    """The distances from what two layers make of the query to its text and its target.

    Jandial et al., "SAC: Semantic Attention Composition for Text-Conditioned Image Retrieval" (WACV 2022). With
    query c, target t and f_text the text's vector, as means over the batch:

        L = α_t ‖linear_t(c) − f_text‖ + α_i ‖linear_i(c) − t‖,   norms not squared

    The paper calls α_t and α_i learnable and then gives them as 1 and 0.1; here they are fixed. The gradient also
    moves f_text and t, of which the paper says nothing. With a composer other than SAC, f_text is the text encoder's
    sentence vector.
    """

    Config = SacConsistencyConfig

    def __init__(self, config: SacConsistencyConfig, model: Retriever) -> None:
        super().__init__(config, model)
        if not model.composer.uses_text:
            raise ConfigError(
                "The loss sac-consistency tells the text from the query, and composer "
                f"{model.config.composer.name!r} uses none.",
                hint="Leave out the loss, or choose a composer that uses the text.",
            )
        self.config = config
        dim = model.composer.dim
        self.to_text = nn.Linear(dim, dim if isinstance(model.composer, Sac) else model.text_shape.sentence)
        self.to_image = nn.Linear(dim, dim)

    def forward(self, view: View) -> LossValue:
        """Return the mean over the queries."""
        text = torch.linalg.vector_norm(self.to_text(view.queries) - _text(view), dim=1).mean()
        image = torch.linalg.vector_norm(self.to_image(view.queries) - view.targets, dim=1).mean()
        total = self.config.text_weight * text + self.config.image_weight * image
        return LossValue(total, {"text": text.detach(), "image": image.detach()})


def _text(view: View) -> Tensor:
    """Return the text's vectors, (B, T) float32."""
    assert view.text is not None
    # The model may have run in bf16; losses do not.
    text = replace(view.text, sentence=view.text.sentence.float())
    composer = view.model.composer
    return composer.text_vectors(text) if isinstance(composer, Sac) else text.sentence
