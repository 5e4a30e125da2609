"""What the reconstruction losses have in common: a decoder of queries, and a squared distance."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

from torch import Tensor, nn

from cirray.composers import Retriever
from cirray.objectives.loss import Loss, LossConfig, LossValue
from cirray.objectives.view import View


class ReconstructionConfig(LossConfig):
    """Settings of reconstruction losses.

    Attributes:
        over: what is taken of the squared differences of one vector, over which the rows' mean goes: their mean, as
            in the released code, whose weight of 0.1 goes with it, or their sum, as in the paper.
        learn_target: whether the gradient also moves what is reconstructed towards what is decoded.
    """

    over: Literal["mean", "sum"] = "mean"
    learn_target: bool


class Reconstruction(Loss):
    """Squared distance between a part of the query and what a decoder makes of the composed query.

    Anwaar et al., "Compositional Learning of Image-Text Query for Image Retrieval" (WACV 2021), section 3:

        L = (1/B) Σ_i ‖ decode(θ_i) − x_i ‖²

    θ (B, D) are the queries before they are normalised, x (B, `size`) what they were composed of. The decoder belongs
    to the loss and is no part of the bundle.

    Args:
        config: settings.
        model: of whose queries it is.
        size: of what is reconstructed.
    """

    def __init__(self, config: ReconstructionConfig, model: Retriever, size: int) -> None:
        super().__init__(config, model)
        self.config = config
        self.decoder = Decoder(model.dim, size)

    @abstractmethod
    def wanted(self, view: View) -> Tensor:
        """Return what is to be reconstructed, (B, size) float32."""

    def forward(self, view: View) -> LossValue:
        """Return the mean over the queries."""
        wanted = self.wanted(view)
        squares = (self.decoder(view.queries) - (wanted if self.config.learn_target else wanted.detach())).square()
        return LossValue(squares.mean() if self.config.over == "mean" else squares.sum(dim=1).mean())


class Decoder(nn.Sequential):
    """From queries (B, D) to what they were composed of, (B, `size`).

    Batch norm, ReLU, linear, ReLU, linear, as in the released code of ComposeAE; the hidden layer has `size` units.
    """

    def __init__(self, dim: int, size: int) -> None:
        super().__init__(nn.BatchNorm1d(dim), nn.ReLU(), nn.Linear(dim, size), nn.ReLU(), nn.Linear(size, size))
