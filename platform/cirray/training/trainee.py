"""What is being trained: a model, its objective, and the state of their optimiser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from cirray.composers import Retriever
from cirray.encoders import Vocabulary
from cirray.objectives import Batch, LossValue, Objective, View
from cirray.recipes import RunConfig
from cirray.training.optimization import make_optimizer, make_schedule


class TrainingStep(nn.Module):
    """Model and objective as one module, so that distributed training averages the gradients of both."""

    def __init__(self, model: Retriever, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, batch: Batch, epoch: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss in an epoch, from 1, and its parts."""
        view = View(self.model, batch, epoch)
        # Under autocast the products of the objective itself would be rounded.
        with torch.autocast(batch.target.device.type, enabled=False):
            loss: LossValue = self.objective(view)
        return loss.total, loss.parts


class Part(Protocol):
    """Something with a state that a run goes on from."""

    def state_dict(self) -> Mapping[str, Any]:
        """Return the state: tensors and plain values, nested as it likes."""

    def load_state_dict(self, state: Any, /) -> object:
        """Put back what `state_dict` returned."""


MODEL = "model"
"""The part of a trainee that a bundle is made of."""


@dataclass(frozen=True)
class Trainee:
    """A training step with its optimiser and learning-rate schedule."""

    step: TrainingStep
    optimizer: Optimizer
    schedule: LambdaLR

    @classmethod
    def build(cls, config: RunConfig, vocabulary: Vocabulary, steps_in_epoch: int, device: torch.device) -> Trainee:
        """Return a fresh trainee, its weights drawn from the run's seed."""
        torch.manual_seed(config.seed)
        model = Retriever(config.model, vocabulary)
        objective = Objective(config.objective, model)
        step = TrainingStep(model, objective).to(memory_format=torch.channels_last).to(device)
        optimizer = make_optimizer(model.image_encoder, step, config.training)
        return cls(step, optimizer, make_schedule(optimizer, config.training, steps_in_epoch))

    def parts(self) -> dict[str, Part]:
        """Return all that has a state, by name: all of it is in every checkpoint and comes back from it."""
        return {
            MODEL: self.step.model,
            "objective": self.step.objective,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }

    def state_dict(self) -> dict[str, Mapping[str, Any]]:
        """Return the state of all parts by their names."""
        return {name: part.state_dict() for name, part in self.parts().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` returned.

        Raises:
            KeyError: the state of a part is missing.
            Exception: whatever a part raises at a state that does not fit it.
        """
        for name, part in self.parts().items():
            part.load_state_dict(state[name])
