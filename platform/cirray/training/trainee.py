"""What is being trained: a model, its objective, and the state of all that changes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from cirray.composers import Retriever
from cirray.encoders import Vocabulary
from cirray.errors import ConfigError
from cirray.objectives import Batch, LossValue, Objective, View
from cirray.recipes import RunConfig
from cirray.training.average import WeightAverage
from cirray.training.batch_norm import batch_norms, norm_over_workers
from cirray.training.compilation import compile_encoder
from cirray.training.divergence import DivergenceWatch
from cirray.training.optimization import GROUPS, Plateau, make_optimizer, make_schedule
from cirray.training.whole_batch import BatchRows, drop_by_whole_batch


class TrainingStep(nn.Module):
    """Model and objective as one module, so that distributed training averages the gradients of both.

    Attributes:
        frozen_statistics: whether the model's batch norms go by their running statistics in training, too.
    """

    def __init__(self, model: Retriever, objective: Objective, *, frozen_statistics: bool = False) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.frozen_statistics = frozen_statistics

    def forward(self, batch: Batch, epoch: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss in an epoch, from 1, and its parts."""
        return self.loss(View(self.model, batch, epoch))

    def loss(self, view: View) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of what `view` shows, and its parts."""
        # Under autocast the products of the objective itself would be rounded.
        with torch.autocast(view.batch.target.device.type, enabled=False):
            value: LossValue = self.objective(view)
        return value.total, value.parts

    def train(self, mode: bool = True) -> TrainingStep:
        """Go to training or back to evaluation; frozen statistics stay frozen."""
        super().train(mode)
        if self.frozen_statistics:
            for norm in batch_norms(self.model):
                norm.eval()
        return self


class Part(Protocol):
    """Something with a state that a run goes on from."""

    def state_dict(self) -> Mapping[str, Any]:
        """Return the state: tensors and plain values, nested as it likes."""

    def load_state_dict(self, state: Any, /) -> object:
        """Put back what `state_dict` returned."""


MODEL, AVERAGE = "model", "average"
"""The parts of a trainee that a bundle is made of: the model, or the average of its weights where there is one."""


@dataclass(frozen=True)
class Trainee:
    """A training step with its optimiser and learning-rate schedule, and what else a run remembers.

    Attributes:
        step: model and objective.
        optimizer: of both.
        schedule: of its learning rates, after each step.
        plateau: what lowers them between epochs, if it does.
        average: of the model's weights, if there is one.
        watch: that ends the run where it diverges.
        rows: which rows of the whole batch the step has, for dropout.
    """

    step: TrainingStep
    optimizer: Optimizer
    schedule: LambdaLR
    plateau: Plateau | None = None
    average: WeightAverage | None = None
    watch: DivergenceWatch = field(default_factory=lambda: DivergenceWatch(None, 1))
    rows: BatchRows = field(default_factory=BatchRows)

    @classmethod
    def build(cls, config: RunConfig, vocabulary: Vocabulary, steps_in_epoch: int, device: torch.device) -> Trainee:
        """Return a fresh trainee, its weights drawn from the run's seed.

        Raises:
            ConfigError: the settings give no model, or cannot be had with this one.
        """
        training, step = config.training, build_step(config, vocabulary, device)
        model = step.model
        rows = BatchRows()
        drop_by_whole_batch(step, rows)
        average = WeightAverage(model, training.ema_decay) if training.ema_decay is not None else None
        if training.compile:
            compile_encoder(model, device)
        optimizer = make_optimizer(model.image_encoder, step, training)
        schedule = make_schedule(optimizer, training, steps_in_epoch)
        others = step.objective.own_optimizers().values()
        plateau = Plateau(schedule, others, training) if training.schedule == "plateau" else None
        watch = DivergenceWatch(training.divergence_factor, training.divergence_steps)
        return cls(step, optimizer, schedule, plateau, average, watch, rows)

    @property
    def kept(self) -> Retriever:
        """The model that is validated and kept: the averaged one, if there is one."""
        return self.average.model if self.average is not None else self.step.model

    def learning_rates(self) -> dict[str, float]:
        """Return the learning rate of each group of weights, those of losses with an optimiser of their own too."""
        own = self.step.objective.own_optimizers()
        groups = dict(zip(GROUPS, self.optimizer.param_groups, strict=False))
        groups |= {role: optimizer.param_groups[0] for role, optimizer in own.items()}
        return {name: float(group["lr"]) for name, group in groups.items()}

    def parts(self) -> dict[str, Part]:
        """Return all that has a state, by name: all of it is in every checkpoint and comes back from it."""
        parts: dict[str, Part | None] = {
            MODEL: self.step.model,
            AVERAGE: self.average.model if self.average is not None else None,
            "averaging": self.average,
            "objective": self.step.objective,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "plateau": self.plateau,
            "watch": self.watch,
        }
        return {name: part for name, part in parts.items() if part is not None}

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


def build_step(config: RunConfig, vocabulary: Vocabulary, device: torch.device) -> TrainingStep:
    """Return a fresh model with its objective, the weights drawn from the run's seed.

    Raises:
        ConfigError: the settings give no model, or cannot be had with this one.
    """
    torch.manual_seed(config.seed)
    model = Retriever(config.model, vocabulary)
    objective, training = Objective(config.objective, model), config.training
    statistics, norms = training.batch_statistics, batch_norms(model)
    if training.micro_batch is not None and statistics in ("all-workers", "worker") and norms:
        raise ConfigError(
            f"training.micro_batch is {training.micro_batch}, and the model has {len(norms)} layers of batch norm, "
            f"whose statistics over {statistics} cannot be had from a part of the batch.",
            hint="Set training.batch_statistics to micro-batch, which is an approximation, or to frozen.",
        )
    step = TrainingStep(model, objective, frozen_statistics=statistics == "frozen")
    step = step.to(memory_format=torch.channels_last).to(device)
    if statistics != "worker":
        # Losses have vectors of the whole batch at hand whatever the model goes by.
        norm_over_workers(step if statistics == "all-workers" else step.objective, device)
    return step
