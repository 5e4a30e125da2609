"""What losses on scaled unit vectors have in common: TIRG's normalisation layer."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from torch import Tensor, nn

from cirray.composers import Retriever
from cirray.objectives.loss import Loss, LossConfig


class ScaledConfig(LossConfig):
    """Settings of losses that bring all vectors to one length.

    Attributes:
        scale: that length, s, at the start; dot products are s² times the cosine, so that 1/s² is the temperature.
        learn_scale: whether it is learned with the model's weights.
    """

    scale: float = Field(4.0, gt=0)
    learn_scale: bool = True


class ScaledLoss(Loss):
    """A loss on s · x/‖x‖, with one s for queries and targets.

    The layer is from TIRG's released code, where s is learned and starts at 4. It belongs to the loss: cosines, by
    which a gallery is ranked, do not depend on it.

    Attributes:
        scale: s, a scalar.
    """

    def __init__(self, config: ScaledConfig, model: Retriever) -> None:
        super().__init__(config, model)
        self.scale = nn.Parameter(torch.tensor(config.scale), requires_grad=config.learn_scale)

    def scaled(self, vectors: Tensor) -> Tensor:
        """Return the rows of `vectors` (B, D), each with length s."""
        return self.scale * F.normalize(vectors, dim=1)
