"""The training loop: plain PyTorch, with or without other workers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cirray.config import Config
from cirray.errors import TrainingError
from cirray.recipes import RunConfig
from cirray.training.data import TrainingData
from cirray.training.sampling import check_divisible, epoch_order, steps_in_epoch, worker_rows
from cirray.training.trainee import Trainee

CPU = torch.device("cpu")


@dataclass(frozen=True)
class World:
    """Where this process stands among the workers.

    Attributes:
        rank: of this worker, from 0.
        size: number of workers.
        device: that this worker computes on.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = CPU


class EpochReport(Config):
    """What one epoch did.

    Attributes:
        epoch: from 1.
        losses: mean over the steps of the loss ("total") and of all else that the objective records of itself (its
            parts, and settings that it learns, such as "scale"), on worker 0.
        learning_rate: after the epoch.
        gradient_norm: mean over the steps, before clipping.
        seconds: that the epoch took.
        triplets_per_s: over all workers together.
        waiting: share of the time in which this worker waited for data.
    """

    epoch: int
    losses: dict[str, float]
    learning_rate: float
    gradient_norm: float
    seconds: float
    triplets_per_s: float
    waiting: float


EpochDone = Callable[[EpochReport], None]
StepDone = Callable[[int, int, float], None]


def fit(
    config: RunConfig,
    data: TrainingData,
    trainee: Trainee,
    *,
    module: nn.Module | None = None,
    world: World | None = None,
    epochs_done: int = 0,
    on_epoch: EpochDone = lambda report: None,
    on_step: StepDone = lambda step, steps, loss: None,
) -> None:
    """Train for the epochs of `config` that are not done yet.

    Everything random follows from seed, epoch and rank, so that a run that goes on from an epoch's end takes the
    same steps as one that was never interrupted.

    Args:
        config: of the run.
        data: triplets.
        trainee: whose weights change.
        module: what is called for the loss: `trainee.step`, or the distributed wrapper around it.
        world: which worker this is.
        epochs_done: how many epochs the trainee has behind it.
        on_epoch: called after each epoch, on every worker.
        on_step: called after each step with (step from 1 over all epochs, steps in all, loss).

    Raises:
        ConfigError: the batch is larger than the data, or the workers cannot share it equally.
        TrainingError: the loss or its gradient is not a number any more.
    """
    world = world or World()
    check_divisible(config.training.batch_size, world.size)
    steps = steps_in_epoch(len(data), config.training.batch_size)
    for epoch in range(epochs_done, config.training.epochs):
        torch.manual_seed(worker_seed(config.seed, epoch, world.rank))
        report = _epoch(config, data, trainee, module or trainee.step, world, epoch, steps, on_step)
        on_epoch(report)


def worker_seed(seed: int, epoch: int, rank: int) -> int:
    """Return a seed, below 2⁶³, for one worker's dropout in one epoch, different for each."""
    return int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1, np.uint64)[0] >> 1)


def _epoch(
    config: RunConfig,
    data: TrainingData,
    trainee: Trainee,
    module: nn.Module,
    world: World,
    epoch: int,
    steps: int,
    on_step: StepDone,
) -> EpochReport:
    batch_size = config.training.batch_size
    order = epoch_order(data.references, config.training.queries_per_reference, config.seed, epoch)
    module.train()
    sums: dict[str, Tensor] = {}
    norms = torch.zeros((), device=world.device)
    waited, started = 0.0, time.perf_counter()
    for step in range(steps):
        asked = time.perf_counter()
        batch = data.batch(worker_rows(order, step, batch_size, world.rank, world.size), world.device)
        waited += time.perf_counter() - asked
        with torch.autocast(world.device.type, torch.bfloat16, enabled=world.device.type == "cuda"):
            loss, parts = module(batch)
        value = _finite("loss", loss, epoch, step)
        norms += _update(trainee, loss, config.training.gradient_clip, epoch, step)
        for name, part in {"total": loss.detach(), **parts}.items():
            sums[name] = sums.get(name, torch.zeros((), device=world.device)) + part
        on_step(epoch * steps + step + 1, config.training.epochs * steps, value)
    seconds = time.perf_counter() - started
    return EpochReport(
        epoch=epoch + 1,
        losses={name: float(total) / steps for name, total in sums.items()},
        learning_rate=float(trainee.schedule.get_last_lr()[0]),
        gradient_norm=float(norms) / steps,
        seconds=seconds,
        triplets_per_s=steps * batch_size / seconds,
        waiting=waited / seconds,
    )


def _update(trainee: Trainee, loss: Tensor, clip: float | None, epoch: int, step: int) -> Tensor:
    trainee.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(trainee.step.parameters(), clip if clip is not None else float("inf"))
    # A finite loss can have a gradient that is not, such as that of a root at zero.
    _finite("norm of the gradient", norm, epoch, step)
    trainee.optimizer.step()
    trainee.schedule.step()
    return norm.detach()


def _finite(what: str, scalar: Tensor, epoch: int, step: int) -> float:
    value = float(scalar.detach())
    if not math.isfinite(value):
        raise TrainingError(
            f"The {what} is {value} at step {step + 1} of epoch {epoch + 1}.",
            hint="Lower training.learning_rate, or set training.gradient_clip.",
        )
    return value
