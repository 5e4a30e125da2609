"""How weights are changed: the optimiser of a run, and the learning rate at each step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from cirray.recipes import TrainingConfig

GROUPS = ("image_encoder", "rest")
"""Names of the groups of weights, in their order."""


def make_optimizer(image_encoder: nn.Module, whole: nn.Module, config: TrainingConfig) -> Optimizer:
    """Return the optimiser of all weights of `whole` that learn, in two groups: the image encoder's and the rest."""
    encoder = [weight for weight in image_encoder.parameters() if weight.requires_grad]
    among = {id(weight) for weight in encoder}
    rest = [weight for weight in whole.parameters() if weight.requires_grad and id(weight) not in among]
    groups = [
        {"params": encoder, "lr": config.learning_rate * config.image_encoder_rate},
        {"params": rest, "lr": config.learning_rate},
    ]
    on_gpu = any(weight.device.type == "cuda" for weight in rest)
    # None leaves the choice to torch, which takes the plain one.
    fused = config.fused if config.fused is not None else on_gpu or None
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=config.momentum, weight_decay=config.weight_decay, fused=fused)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(
        groups,
        betas=config.betas,
        eps=config.epsilon,
        amsgrad=config.amsgrad,
        weight_decay=config.weight_decay,
        fused=fused,
    )


def make_schedule(optimizer: Optimizer, config: TrainingConfig, steps_in_epoch: int) -> LambdaLR:
    """Return the schedule of the two groups of `make_optimizer`, to be stepped after each step."""
    total = steps_in_epoch * config.epochs
    factor = partial(learning_rate_factor, config, total=total, steps_in_epoch=steps_in_epoch)
    frozen = config.frozen_epochs * steps_in_epoch
    # At a rate of zero nothing changes, weight decay included; the weights keep their gradients, which distributed
    # training counts on.
    return LambdaLR(optimizer, [lambda done: factor(done) if done >= frozen else 0.0, factor])


def learning_rate_factor(config: TrainingConfig, done: int, total: int, steps_in_epoch: int) -> float:
    """Return the share of the highest learning rate that holds after `done` of `total` steps.

    What "plateau" takes off comes on top: it does not follow from the number of steps.
    """
    rising = round(config.warmup * total)
    if done < rising:
        return (done + 1) / rising
    if config.schedule in ("constant", "plateau"):
        return 1.0
    if config.schedule == "step":
        return config.decay ** (done // max(1, round(config.decay_every * steps_in_epoch)))
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - rising) / max(1, total - rising))))


class Plateau:
    """Lowers all learning rates where a value has not become better for a while; torch's `ReduceLROnPlateau` decides.

    Args:
        schedule: of the model's optimiser.
        others: optimisers of a loss's own, such as a discriminator's, whose rates are lowered likewise.
        config: with `decay`, `plateau_patience`, and whether it is a validation's metric, the higher the better, or
            the loss that is watched.
    """

    def __init__(self, schedule: LambdaLR, others: Iterable[Optimizer], config: TrainingConfig) -> None:
        self._schedule, self._others = schedule, list(others)
        # It works on a rate of 1, which thus is the factor on all others.
        self._factor = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        self._decision = ReduceLROnPlateau(
            self._factor,
            mode="max" if config.validation else "min",
            factor=config.decay,
            patience=config.plateau_patience,
            eps=0.0,
        )

    def see(self, value: float) -> None:
        """Take in the value after an epoch, and lower the rates if it is time."""
        before = self._factor.param_groups[0]["lr"]
        self._decision.step(value)
        lowered = self._factor.param_groups[0]["lr"] / before
        if lowered == 1:
            return
        # The schedule sets each rate anew, from these.
        self._schedule.base_lrs = [rate * lowered for rate in self._schedule.base_lrs]
        for optimizer in (self._schedule.optimizer, *self._others):
            for group in optimizer.param_groups:
                group["lr"] *= lowered

    def state_dict(self) -> dict[str, Any]:
        """Return what it has seen; the rates are in the states of schedule and optimisers."""
        return {"decision": self._decision.state_dict(), "factor": self._factor.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what it had seen."""
        self._decision.load_state_dict(state["decision"])
        self._factor.load_state_dict(state["factor"])
