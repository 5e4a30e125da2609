"""What is being trained: a model, its objective, and the state of their optimiser."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from cirray.composers import Retriever
from cirray.encoders import Vocabulary
from cirray.objectives import Batch, LossValue, Objective, View
from cirray.recipes import RunConfig, TrainingConfig


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
        optimizer = _optimizer(step, config.training)
        total = steps_in_epoch * config.training.epochs
        return cls(
            step, optimizer, LambdaLR(optimizer, lambda done: learning_rate_factor(config.training, done, total))
        )


def learning_rate_factor(config: TrainingConfig, done: int, total: int) -> float:
    """Return the share of the highest learning rate that holds after `done` of `total` steps."""
    rising = round(config.warmup * total)
    if done < rising:
        return (done + 1) / rising
    if config.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - rising) / max(1, total - rising))))


def _optimizer(step: TrainingStep, config: TrainingConfig) -> Optimizer:
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            step.parameters(), config.learning_rate, momentum=0.9, weight_decay=config.weight_decay
        )
    return torch.optim.AdamW(step.parameters(), config.learning_rate, weight_decay=config.weight_decay)
