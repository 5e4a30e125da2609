"""A moving average of the weights."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from cirray.composers import Retriever


class WeightAverage:
    """Exponential moving average of a model's weights and running statistics.

    With θ the model after step n, from 1, and d the decay:

        θ̄ ← d_n · θ̄ + (1 − d_n) · θ,   d_n = min(d, (1 + n) / (10 + n))

    d_n, as TensorFlow's ExponentialMovingAverage has it, lets a short run forget its beginning. Running statistics of
    batch norm are averaged too, since those of the last weights do not belong to the averaged ones; whole numbers are
    those of the model.

    Attributes:
        model: a copy of the model with the average, in evaluation.
        steps: n.

    Args:
        model: that is trained; its weights are where the average begins.
        decay: d.
    """

    def __init__(self, model: Retriever, decay: float) -> None:
        self.model = deepcopy(model).requires_grad_(False).eval()
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, model: Retriever) -> None:
        """Take in the weights of `model` after another step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        pairs = list(zip(_values(self.model), _values(model), strict=True))
        for average, value in pairs:
            if not average.is_floating_point():
                average.copy_(value)
        real = [pair for pair in pairs if pair[0].is_floating_point()]
        get_ema_multi_avg_fn(decay)([average for average, _ in real], [value for _, value in real], self.steps)

    def state_dict(self) -> dict[str, Any]:
        """Return all but the weights, which are those of `model`."""
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` returned."""
        self.steps = int(state["steps"])


def _values(model: Retriever) -> list[Tensor]:
    return [value.detach() for value in (*model.parameters(), *model.buffers())]
