"""The training loop: plain PyTorch, with or without other workers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cirray.composers import Retriever
from cirray.errors import TrainingError
from cirray.recipes import RunConfig
from cirray.training.data import TrainingData
from cirray.training.progress import EpochReport, PartialEpoch, Progress
from cirray.training.randomness import step_seed
from cirray.training.sampling import check_divisible
from cirray.training.trainee import Trainee
from cirray.training.world import World

ProgressMade = Callable[[Progress], None]
StepDone = Callable[[int, int, float], None]
Validate = Callable[[Retriever], Mapping[str, float]]
"""From a model to its metrics on the validation split. With several workers all call it, and all must be told the
same."""


def fit(
    config: RunConfig,
    data: TrainingData,
    trainee: Trainee,
    *,
    module: nn.Module | None = None,
    world: World | None = None,
    progress: Progress | None = None,
    on_progress: ProgressMade = lambda progress: None,
    on_step: StepDone = lambda step, steps, loss: None,
    validate: Validate | None = None,
) -> Progress:
    """Train for what is left of the epochs of `config`, and return the progress.

    Everything random follows from seed, epoch, step and rank, so that a run that goes on from a checkpoint takes
    the same steps as one that was never interrupted.

    Args:
        config: of the run.
        data: what batches are cut from.
        trainee: whose weights change.
        module: what is called for the loss: `trainee.step`, or the distributed wrapper around it.
        world: which worker this is.
        progress: that the trainee has behind it.
        on_progress: called after each epoch, and after every `checkpoint_every_steps` within one, on every worker.
        on_step: called after each step with (step from 1 over all epochs, steps in all, loss).
        validate: what `training.validation` asks for.

    Raises:
        ConfigError: the workers cannot share the batch equally.
        TrainingError: the loss, its gradient, or a mean that an epoch reports is not a number any more.
    """
    world, progress = world or World(), progress or Progress()
    check_divisible(config.training.batch_size, world.size)
    for epoch in range(len(progress.history), config.training.epochs):
        (module or trainee.step).train()
        running = _Epoch(config, data, trainee, module or trainee.step, world, epoch, progress)
        progress = running.run(on_progress, on_step)
        if validate is not None and _is_due(config, epoch):
            progress = _validated(progress, validate, trainee)
        on_progress(progress)
    return progress


def _is_due(config: RunConfig, number: int) -> bool:
    validation = config.training.validation
    return validation is not None and ((number + 1) % validation.every == 0 or number + 1 == config.training.epochs)


def _validated(progress: Progress, validate: Validate, trainee: Trainee) -> Progress:
    """Return the progress with the metrics of the model as it is now."""
    started = time.perf_counter()
    trainee.step.eval()
    metrics = dict(validate(trainee.step.model))
    report = progress.history[-1].model_copy(
        update={"validation": metrics, "validation_seconds": time.perf_counter() - started}
    )
    return progress.model_copy(update={"history": (*progress.history[:-1], report)})


@dataclass
class _Epoch:
    """One epoch while it goes on. Sums stay on the device, so that no step waits for them."""

    config: RunConfig
    data: TrainingData
    trainee: Trainee
    module: nn.Module
    world: World
    epoch: int
    before: Progress
    losses: dict[str, Tensor] = field(default_factory=dict)
    norms: Tensor = field(init=False)
    waited: float = 0.0

    def __post_init__(self) -> None:
        partial, device = self.before.partial, self.world.device
        self.losses = {name: torch.tensor(total, device=device) for name, total in partial.losses.items()}
        self.norms = torch.tensor(partial.gradient_norm, device=device)
        self.waited = partial.waited
        self.started = time.perf_counter() - partial.seconds

    def run(self, on_progress: ProgressMade, on_step: StepDone) -> Progress:
        """Take the steps that are left and return the progress after them."""
        steps, every = self.data.steps, self.config.training.checkpoint_every_steps
        asked = time.perf_counter()
        with closing(self.data.batches(self.epoch, self.before.partial.steps, self.world)) as batches:
            for step, batch in enumerate(batches, start=self.before.partial.steps):
                self.waited += time.perf_counter() - asked
                value = self._step(step, batch)
                on_step(self.epoch * steps + step + 1, self.config.training.epochs * steps, value)
                if every and (step + 1) % every == 0 and step + 1 < steps:
                    paused = time.perf_counter()
                    on_progress(self._progress_after(step + 1))
                    # What a checkpoint takes is no part of training's pace.
                    self.started += time.perf_counter() - paused
                asked = time.perf_counter()
        return Progress(history=(*self.before.history, self._report()))

    def _step(self, step: int, batch: object) -> float:
        device = self.world.device
        torch.manual_seed(step_seed(self.config.seed, self.epoch, step, self.world.rank))
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss, parts = self.module(batch, self.epoch + 1)
        value = _finite("loss", loss, self.epoch, step)
        self.norms += _update(self.trainee, loss, self.config.training.gradient_clip, self.epoch, step)
        for name, part in {"total": loss.detach(), **parts}.items():
            self.losses[name] = self.losses.get(name, torch.zeros((), device=device)) + part
        return value

    def _progress_after(self, steps: int) -> Progress:
        partial = PartialEpoch(
            steps=steps,
            losses=self._sums(steps),
            gradient_norm=self._sum_of_norms(steps),
            seconds=time.perf_counter() - self.started,
            waited=self.waited,
        )
        return Progress(history=self.before.history, partial=partial)

    def _sums(self, steps: int) -> dict[str, float]:
        # What the objective records besides its loss is looked at only here: at each step it would be waited for.
        return {
            name: _finite(f"sum of {name!r}", total, self.epoch, steps - 1) for name, total in self.losses.items()
        }

    def _sum_of_norms(self, steps: int) -> float:
        return _finite("sum of the gradients' norms", self.norms, self.epoch, steps - 1)

    def _report(self) -> EpochReport:
        steps, seconds = self.data.steps, time.perf_counter() - self.started
        return EpochReport(
            epoch=self.epoch + 1,
            losses={name: total / steps for name, total in self._sums(steps).items()},
            learning_rate=float(self.trainee.schedule.get_last_lr()[-1]),
            gradient_norm=self._sum_of_norms(steps) / steps,
            seconds=seconds,
            triplets_per_s=steps * self.config.training.batch_size / seconds,
            waiting=self.waited / seconds,
            pixels=self.data.pixels.kind,
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
