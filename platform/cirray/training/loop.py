"""The training loop: plain PyTorch, with or without other workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from torch import nn

from cirray.composers import Retriever
from cirray.errors import ConfigError
from cirray.recipes import RunConfig, ValidationConfig
from cirray.storage import Location
from cirray.training.data import TrainingData
from cirray.training.epoch import Epoch, ProgressMade, StepDone
from cirray.training.progress import EpochReport, Progress
from cirray.training.sampling import check_divisible
from cirray.training.stepping import Stepper
from cirray.training.stopping import score_of, stops_early
from cirray.training.trainee import Trainee
from cirray.training.world import World

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
    inspection: Location | None = None,
) -> Progress:
    """Train for what is left of the epochs of `config`, and return the progress.

    Everything random follows from seed, epoch and step, so that a run that goes on from a checkpoint takes the same
    steps as one that was never interrupted, and any number of workers those of one.

    Args:
        config: of the run.
        data: what batches are cut from.
        trainee: whose weights change.
        module: what is called for the loss: `trainee.step`, or the distributed wrapper around it.
        world: which worker this is.
        progress: that the trainee has behind it.
        on_progress: called after each epoch, and after every `checkpoint_every_steps` within one, on every worker.
        on_step: called after each step with (step from 1 over all epochs, steps in all, loss of the whole batch).
        validate: what `training.validation` asks for.
        inspection: folder in which a batch is kept that ends the run by what is no number, or by divergence.

    Raises:
        ConfigError: the workers cannot share the batch equally, there is nothing to validate with, or the
            validation has no metric of the name that is asked for.
        TrainingError: the loss, its gradient, or a mean that an epoch reports is not a number any more, or the loss
            diverges.
    """
    world, progress = world or World(), progress or Progress()
    check_divisible(config.training.batch_size, world.size)
    validation = config.training.validation
    if validation is not None and validate is None:
        raise ConfigError(
            "training.validation is set, and nothing was given that validates.", hint="Give fit a `validate`."
        )
    module = module or trainee.step
    stepper = Stepper(config, trainee, module, world)
    for number in range(len(progress.history), config.training.epochs):
        if stops_early(validation, progress.history):
            break
        module.train()
        progress = Epoch(config, data, stepper, number, progress, inspection).run(on_progress, on_step)
        last = number + 1 == config.training.epochs
        if validate is not None and validation is not None and (last or (number + 1) % validation.every == 0):
            progress = _validated(progress, validation, validate, trainee)
        _see_plateau(config, trainee, progress.history[-1])
        on_progress(progress)
    return progress


def _validated(progress: Progress, validation: ValidationConfig, validate: Validate, trainee: Trainee) -> Progress:
    """Return the progress with the metrics of the model that would be kept now.

    Raises:
        ConfigError: the metric by which epochs are compared is not among them.
    """
    started = time.perf_counter()
    trainee.step.eval()
    metrics = dict(validate(trainee.kept))
    report = progress.history[-1].model_copy(
        update={"validation": metrics, "validation_seconds": time.perf_counter() - started}
    )
    score_of(validation, report)
    return progress.model_copy(update={"history": (*progress.history[:-1], report)})


def _see_plateau(config: RunConfig, trainee: Trainee, report: EpochReport) -> None:
    validation = config.training.validation
    value = report.losses["total"] if validation is None else score_of(validation, report)
    if trainee.plateau is not None and value is not None:
        trainee.plateau.see(value)
