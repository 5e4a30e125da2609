"""How weights are changed: the optimiser of a run, and the learning rate at each step."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from cirray.recipes import TrainingConfig


def make_optimizer(image_encoder: nn.Module, whole: nn.Module, config: TrainingConfig) -> Optimizer:
    """Return the optimiser of all weights of `whole` that learn, in two groups: the image encoder's and the rest."""
    encoder = [weight for weight in image_encoder.parameters() if weight.requires_grad]
    among = {id(weight) for weight in encoder}
    rest = [weight for weight in whole.parameters() if weight.requires_grad and id(weight) not in among]
    groups = [
        {"params": encoder, "lr": config.learning_rate * config.image_encoder_rate},
        {"params": rest, "lr": config.learning_rate},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=config.momentum, weight_decay=config.weight_decay)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(
        groups, betas=config.betas, eps=config.epsilon, amsgrad=config.amsgrad, weight_decay=config.weight_decay
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
    """Return the share of the highest learning rate that holds after `done` of `total` steps."""
    rising = round(config.warmup * total)
    if done < rising:
        return (done + 1) / rising
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "step":
        return config.decay ** (done // max(1, round(config.decay_every * steps_in_epoch)))
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - rising) / max(1, total - rising))))
