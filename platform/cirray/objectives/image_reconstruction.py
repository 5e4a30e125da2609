"""Image reconstruction: a query must still know the reference that it was composed of."""

from __future__ import annotations

from typing import Literal

from cirray.composers import Retriever
from cirray.objectives.decoder import Decoder, Over, squared_distance
from cirray.objectives.loss import Loss, LossConfig, LossValue, losses
from cirray.objectives.view import View


class ImageReconstructionConfig(LossConfig):
    """Settings of `ImageReconstruction`.

    Attributes:
        over: what is taken of the squared differences of one vector: their mean, as in the released code, whose
            weight of 0.1 goes with it, or their sum, as in the paper.
        learn_target: whether the gradient also moves the references' vectors towards what is decoded.
    """

    name: Literal["image-reconstruction"] = "image-reconstruction"
    over: Over = "mean"
    learn_target: bool = True


@losses.register("image-reconstruction")
class ImageReconstruction(Loss):
    """Squared distance between the reference's vector and what a decoder makes of the query.

    Anwaar et al., "Compositional Learning of Image-Text Query for Image Retrieval" (WACV 2021), section 3:

        L = (1/B) Σ_i ‖ decode(θ_i) − x_i ‖²

    θ (B, D) are the queries before they are normalised, x (B, D) the references' gallery vectors. The decoder belongs
    to the loss and is no part of the bundle.
    """

    Config = ImageReconstructionConfig

    def __init__(self, config: ImageReconstructionConfig, model: Retriever) -> None:
        super().__init__(config, model)
        self.config = config
        self.decoder = Decoder(model.dim, model.dim)

    def forward(self, view: View) -> LossValue:
        """Return the mean over the queries."""
        wanted = view.references if self.config.learn_target else view.references.detach()
        return LossValue(squared_distance(self.decoder(view.queries), wanted, self.config.over))
