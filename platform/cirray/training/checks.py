"""What can be known of a run before any worker is started for it."""

from __future__ import annotations

import torch
from torch import nn

from cirray.datasets import PreparedDataset
from cirray.encoders import Vocabulary
from cirray.errors import ConfigError
from cirray.objectives import losses
from cirray.recipes import RunConfig
from cirray.training.checkpoint import VALIDATION
from cirray.training.scaling import Scaling, most_that_divide
from cirray.training.trainee import Trainee
from cirray.training.validation import metrics_of, protocol_for


def check_batch(config: RunConfig) -> None:
    """Make sure that every loss has the examples in a batch that it needs.

    Raises:
        ConfigError: one has not.
    """
    size = config.training.batch_size
    for role, chosen in config.objective.items():
        if size < (least := losses[chosen.name].smallest_batch(chosen)):
            raise ConfigError(
                f"training.batch_size is {size}, but the loss {chosen.name!r} (objective.{role}) needs {least} "
                "examples in a batch.",
                hint=f"Set it to {least} or more.",
            )


def check_validation(config: RunConfig, dataset: PreparedDataset) -> None:
    """Make sure that what is to be measured between epochs can be, and that what decides what is kept is measured.

    Raises:
        ConfigError: the dataset has no such split, or nothing measures the metric.
        UnknownNameError: there is no such protocol.
    """
    validation, keep = config.training.validation, config.training.keep
    measured = metrics_of(protocol_for(validation, dataset)) if validation is not None else []
    wanted = keep.metric.removeprefix(VALIDATION)
    if keep.best and keep.metric.startswith(VALIDATION) and wanted not in measured:
        raise ConfigError(
            f"training.keep.metric is {keep.metric!r}; the metrics of the validation are: "
            f"{', '.join(measured) or 'none, since training.validation is null'}.",
            hint='Set it to one of these after "validation/", or to "loss".',
        )


def check_buildable(config: RunConfig, vocabulary: Vocabulary, scaling: Scaling) -> None:
    """Build the model once here, where its error is the caller's: in a worker it would count as a failed one.

    Raises:
        ConfigError: the settings give no model, or one that a worker's share of a batch is too small for.
    """
    try:
        trainee = Trainee.build(config, vocabulary, 1, torch.device("cpu"))
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            f"The settings of {config.name} give no model: {error}.", hint="Change those under model or objective."
        ) from error
    workers = most_that_divide(config.training.batch_size, scaling.workers)
    trainee.step.train()
    # Those over the batch of all workers are of another class, and frozen ones are in evaluation.
    alone = (nn.BatchNorm1d, nn.BatchNorm2d)
    normed = any(isinstance(module, alone) and module.training for module in trainee.step.modules())
    if normed and config.training.batch_size == workers > 1:
        raise ConfigError(
            f"training.batch_size {config.training.batch_size} leaves each of {workers} workers one example, and the "
            "model has batch norms that go by each worker's own, which need more.",
            hint=f"Set it to {2 * workers} or more, train with fewer workers, or set training.batch_statistics to "
            "all-workers.",
        )
