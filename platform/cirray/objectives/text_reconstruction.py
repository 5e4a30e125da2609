"""Text reconstruction: a query must still know the text that it was composed of."""

from __future__ import annotations

from typing import Literal

from cirray.composers import Retriever
from cirray.errors import ConfigError
from cirray.objectives.decoder import Decoder, Over, squared_distance
from cirray.objectives.loss import Loss, LossConfig, LossValue, losses
from cirray.objectives.view import View


class TextReconstructionConfig(LossConfig):
    """Settings of `TextReconstruction`.

    Attributes:
        over: what is taken of the squared differences of one vector: their mean, as in the released code, whose
            weight of 0.1 goes with it, or their sum, as in the paper.
        learn_target: whether the gradient also moves the texts' vectors towards what is decoded.
    """

    name: Literal["text-reconstruction"] = "text-reconstruction"
    over: Over = "mean"
    learn_target: bool = False


@losses.register("text-reconstruction")
class TextReconstruction(Loss):
    """Squared distance between the text's sentence vector and what a decoder makes of the query.

    Anwaar et al., "Compositional Learning of Image-Text Query for Image Retrieval" (WACV 2021), section 3:

        L = (1/B) Σ_i ‖ decode(θ_i) − t_i ‖²

    θ (B, D) are the queries before they are normalised, t (B, T) the modification texts. The decoder belongs to the
    loss and is no part of the bundle.

    Own choice: no gradient into t by default, since the paper's texts are frozen BERT vectors. RTIC's code, whose
    texts are learned, lets it through (`learn_target`).
    """

    Config = TextReconstructionConfig

    def __init__(self, config: TextReconstructionConfig, model: Retriever) -> None:
        super().__init__(config, model)
        if not model.composer.uses_text:
            raise ConfigError(
                f"The loss 'text-reconstruction' needs texts, and composer {model.config.composer.name!r} uses none.",
                hint="Leave the loss out, or choose a composer that uses the text.",
            )
        self.config = config
        self.decoder = Decoder(model.dim, model.text_shape.sentence)

    def forward(self, view: View) -> LossValue:
        """Return the mean over the queries."""
        assert view.text is not None
        wanted = view.text.sentence.float()
        if not self.config.learn_target:
            wanted = wanted.detach()
        return LossValue(squared_distance(self.decoder(view.queries), wanted, self.config.over))
