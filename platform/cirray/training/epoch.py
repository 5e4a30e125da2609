"""One epoch of training, from where it was left."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

import torch
from torch import Tensor

from cirray.errors import TrainingError
from cirray.objectives import Batch
from cirray.recipes import RunConfig
from cirray.storage import Location
from cirray.training.data import TrainingData
from cirray.training.divergence import finite
from cirray.training.inspection import save_for_inspection
from cirray.training.progress import EpochReport, PartialEpoch, Progress
from cirray.training.stepping import Stepper

ProgressMade = Callable[[Progress], None]
StepDone = Callable[[int, int, float], None]


@dataclass
class Epoch:
    """One epoch while it goes on. Sums stay on the device, so that no step waits for them.

    Attributes:
        config: of the run.
        data: what batches are cut from.
        stepper: that takes the steps.
        number: of the epoch, from 0.
        before: progress at its beginning.
        inspection: where a batch that ends the run is kept.
    """

    config: RunConfig
    data: TrainingData
    stepper: Stepper
    number: int
    before: Progress
    inspection: Location | None = None
    losses: dict[str, Tensor] = field(default_factory=dict, init=False)
    norms: Tensor = field(init=False)
    waited: float = field(init=False)

    def __post_init__(self) -> None:
        partial, device = self.before.partial, self.stepper.world.device
        self.losses = {name: torch.tensor(total, device=device) for name, total in partial.losses.items()}
        self.norms = torch.tensor(partial.gradient_norm, device=device)
        self.waited = partial.waited
        self.started = time.perf_counter() - partial.seconds
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def run(self, on_progress: ProgressMade, on_step: StepDone) -> Progress:
        """Take the steps that are left and return the progress after them."""
        steps, every = self.data.steps, self.config.training.checkpoint_every_steps
        asked = time.perf_counter()
        with closing(self.data.batches(self.number, self.before.partial.steps, self.stepper.world)) as batches:
            for step, batch in enumerate(batches, start=self.before.partial.steps):
                self.waited += time.perf_counter() - asked
                value = self._step(step, batch)
                on_step(self.number * steps + step + 1, self.config.training.epochs * steps, value)
                if every and (step + 1) % every == 0 and step + 1 < steps:
                    paused = time.perf_counter()
                    on_progress(self._progress_after(step + 1))
                    # What a checkpoint takes is no part of training's pace.
                    self.started += time.perf_counter() - paused
                asked = time.perf_counter()
        return Progress(history=(*self.before.history, self._report()))

    def _step(self, step: int, batch: Batch) -> float:
        try:
            result = self.stepper.take(batch, self.number, step)
        except TrainingError as error:
            if self.inspection is None:
                raise
            raise self._with_batch(error, batch, step, self.inspection) from error
        self.norms += result.gradient_norm
        for name, part in result.losses.items():
            self.losses[name] = self.losses.get(name, torch.zeros_like(self.norms)) + part
        return result.loss

    def _with_batch(self, error: TrainingError, batch: Batch, step: int, folder: Location) -> TrainingError:
        """Return the error with words on where the batch is that it happened at."""
        rank, message = self.stepper.world.rank, str(error.args[0])
        name = f"batch-epoch-{self.number + 1:05d}-step-{step + 1:06d}-worker-{rank}"
        examples = self.data.notes(self.number, step, self.stepper.world)
        kept = save_for_inspection(folder, name, batch, examples, message)
        return TrainingError(f"{message.rstrip('.')}; {kept}.", hint=error.hint)

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
            name: finite(f"sum of {name!r}", total, self.number, steps - 1) for name, total in self.losses.items()
        }

    def _sum_of_norms(self, steps: int) -> float:
        return finite("sum of the gradients' norms", self.norms, self.number, steps - 1)

    def _report(self) -> EpochReport:
        steps, seconds = self.data.steps, time.perf_counter() - self.started
        trainee = self.stepper.trainee
        return EpochReport(
            epoch=self.number + 1,
            losses={name: total / steps for name, total in self._sums(steps).items()},
            learning_rate=float(trainee.schedule.get_last_lr()[-1]),
            learning_rates=trainee.learning_rates(),
            gradient_norm=self._sum_of_norms(steps) / steps,
            seconds=seconds,
            triplets_per_s=steps * self.config.training.batch_size / seconds,
            waiting=self.waited / seconds,
            pixels=self.data.pixels.kind,
            peak_memory_mib=_peak_memory_mib(self.stepper.world.device),
        )


def _peak_memory_mib(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device)) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In KiB, but for macOS, which counts bytes.
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
