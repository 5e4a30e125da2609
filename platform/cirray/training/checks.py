"""What can be known of a run before any worker is started for it."""

from __future__ import annotations

import torch
from torch import nn

from cirray.composers import composers
from cirray.datasets import PreparedDataset
from cirray.encoders import Vocabulary
from cirray.errors import ConfigError
from cirray.evaluation import check_judges, count_queries
from cirray.objectives import losses
from cirray.recipes import RunConfig
from cirray.training.checkpoint import VALIDATION
from cirray.training.data import make_sampler, training_texts
from cirray.training.held_out import with_held_out
from cirray.training.scaling import Scaling, check_share, most_that_divide
from cirray.training.trainee import build_step
from cirray.training.validation import protocol_for


def check_run(config: RunConfig, dataset: PreparedDataset, scaling: Scaling) -> Vocabulary:
    """Make sure that a run can begin, and return its vocabulary.

    What is wrong here would otherwise come up in a worker, or after the first epoch.

    Raises:
        ArtifactError: the dataset has no such split.
        ConfigError: batch, loss, workers, validation and model do not go together.
        DataError: the data is not what the run needs.
        UnknownNameError: there is no protocol of that name.
    """
    check_share(config.training.batch_size, scaling)
    check_batch(config)
    check_validation(config, with_held_out(config, dataset))
    sampler = make_sampler(config, dataset)
    sampler.steps(config.training.batch_size)
    model = config.model
    vocabulary = Vocabulary.of(training_texts(config, sampler), model.tokenizer, model.on_unknown, model.min_count)
    check_buildable(config, vocabulary, scaling)
    return vocabulary


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

    Args:
        config: of the run.
        dataset: as the run sees it, with what it holds out.

    Raises:
        ArtifactError: the dataset has no such split.
        ConfigError: likewise, the protocol cannot judge such a model, or nothing measures the metric.
        DataError: the split and the protocol do not go together.
        UnknownNameError: there is no such protocol.
    """
    validation, keep = config.training.validation, config.training.keep
    measured: list[str] = []
    if validation is None and config.training.bundle == "best":
        raise ConfigError(
            "training.bundle is 'best', and training.validation is null, so that nothing says which epoch that is.",
            hint="Set training.validation, such as --set training.validation.split=val, or training.bundle to last.",
        )
    if validation is not None:
        protocol = protocol_for(validation, dataset)
        check_judges(protocol, reranker=composers[config.model.composer.name].rescores)
        count_queries(dataset, validation.split, protocol)
        measured = protocol.metric_names
    if not keep.best:
        return
    if keep.metric.startswith(VALIDATION) and keep.metric.removeprefix(VALIDATION) not in measured:
        raise ConfigError(
            f"training.keep.metric is {keep.metric!r}; the metrics of the validation are: "
            f"{', '.join(measured) or 'none, since training.validation is null'}.",
            hint='Set it to one of these after "validation/", or to "loss".',
        )
    # Of a loss's own parts ("retrieval.positive") only the loss knows the names.
    known = ["loss", "total", *config.objective]
    if not keep.metric.startswith(VALIDATION) and keep.metric.partition(".")[0] not in known:
        raise ConfigError(
            f"training.keep.metric is {keep.metric!r}, which no epoch reports.",
            hint=f'Set it to {", ".join(known)}, or to a metric of the validation after "validation/".',
        )


def check_buildable(config: RunConfig, vocabulary: Vocabulary, scaling: Scaling) -> None:
    """Build the model once here, where its error is the caller's: in a worker it would count as a failed one.

    Raises:
        ConfigError: the settings give no model, or one that a worker's share of a batch is too small for.
    """
    try:
        # Without the optimiser: torch's own take seconds to import what compiles them.
        step = build_step(config, vocabulary, torch.device("cpu"))
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            f"The settings of {config.name} give no model: {error}.", hint="Change those under model or objective."
        ) from error
    workers = most_that_divide(config.training.batch_size, scaling.workers)
    step.train()
    # Those over the batch of all workers are of another class, and frozen ones are in evaluation.
    alone = (nn.BatchNorm1d, nn.BatchNorm2d)
    normed = any(isinstance(module, alone) and module.training for module in step.modules())
    if normed and config.training.batch_size == workers > 1:
        raise ConfigError(
            f"training.batch_size {config.training.batch_size} leaves each of {workers} workers one example, and the "
            "model has batch norms that go by each worker's own, which need more.",
            hint=f"Set it to {2 * workers} or more, train with fewer workers, or set training.batch_statistics to "
            "all-workers.",
        )
