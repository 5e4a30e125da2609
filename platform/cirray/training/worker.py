"""What each worker of a distributed run does. Ray Train calls it, and again after a failure."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray.train
import torch
from ray.train.torch import get_device, prepare_model
from torch import nn

from cirray.cluster import usable_cores
from cirray.datasets import PreparedDataset, open_source
from cirray.encoders import Vocabulary
from cirray.recipes import RunConfig
from cirray.storage import Artifact, Location
from cirray.training.asides import asides
from cirray.training.board import Writer
from cirray.training.checkpoint import load_checkpoint, save_checkpoint
from cirray.training.data import TrainingData, make_sampler, uses_triplets
from cirray.training.held_out import with_held_out
from cirray.training.loop import fit
from cirray.training.progress import Progress
from cirray.training.rows import collect
from cirray.training.trainee import Trainee, TrainingStep
from cirray.training.validation import Validation
from cirray.training.world import World

TRIPLETS = "triplets"
"""Name under which a worker finds the training triplets."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assignment:
    """What a worker is told.

    Attributes:
        config: of the run.
        dataset: place of the prepared dataset.
        vocabulary: of the run.
        board: where the first worker writes how far it is.
    """

    config: RunConfig
    dataset: Location
    vocabulary: Vocabulary
    board: Any


def work(settings: dict[str, Assignment]) -> None:
    """Train with the other workers, from the last checkpoint if there is one, and report every epoch.

    Args:
        settings: under "assignment", what to do.
    """
    assignment = settings["assignment"]
    config, world = assignment.config, _world()
    dataset = with_held_out(config, PreparedDataset(Artifact.open(assignment.dataset, "dataset")))
    data = _open_data(assignment, dataset)
    trainee = Trainee.build(config, assignment.vocabulary, data.steps, world.device)
    progress = Progress()
    if (checkpoint := ray.train.get_checkpoint()) is not None:
        with checkpoint.as_directory() as folder:
            progress = load_checkpoint(Path(folder), trainee)
    fit(
        config,
        data,
        trainee,
        module=_distributed(trainee.step, config),
        world=world,
        progress=progress,
        on_progress=lambda made: _report(trainee, made, world),
        on_step=Writer(assignment.board) if world.rank == 0 else lambda step, steps, loss: None,
        validate=_validation(assignment, dataset, world),
    )
    data.pixels.close()


def _distributed(step: TrainingStep, config: RunConfig) -> nn.Module:
    # A loss that counts in some epochs only leaves weights without a gradient in the others.
    changing = any(loss.first_epoch > 1 or loss.last_epoch is not None for loss in config.objective.values())
    wrapped: nn.Module = prepare_model(step, parallel_strategy_kwargs={"find_unused_parameters": changing})
    return wrapped


def _validation(assignment: Assignment, dataset: PreparedDataset, world: World) -> Validation | None:
    config = assignment.config.training.validation
    return Validation(config, dataset, assignment.vocabulary, world) if config is not None else None


def _open_data(assignment: Assignment, dataset: PreparedDataset) -> TrainingData:
    config = assignment.config
    triplets = collect(ray.train.get_dataset_shard(TRIPLETS)) if uses_triplets(config) else None
    sampler = make_sampler(config, dataset, triplets)
    threads = max(1, usable_cores() // ray.train.get_context().get_local_world_size())
    preprocessing = config.model.preprocessing
    pixels = open_source(dataset, preprocessing.size, config.training.pixels, fit=preprocessing.fit, threads=threads)
    _LOG.info("Pixels of %s come from a %s.", dataset.name, pixels.kind)
    return TrainingData(config, sampler, assignment.vocabulary, pixels)


def _world() -> World:
    context = ray.train.get_context()
    world = World(context.get_world_rank(), context.get_world_size(), get_device())
    if world.device.type == "cpu":
        torch.set_num_threads(max(1, usable_cores() // context.get_local_world_size()))
    return world


def _report(trainee: Trainee, progress: Progress, world: World) -> None:
    """Report the progress; the first worker adds a checkpoint, without which Ray Train would keep no metrics."""
    metrics = {**_metrics(progress), **asides(trainee.step.model, progress)}
    if world.rank:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder), trainee, progress)
        # A name that follows from the step: a repeated one replaces its orphan instead of adding another.
        ray.train.report(
            metrics,
            checkpoint=ray.train.Checkpoint.from_directory(folder),
            checkpoint_dir_name=f"epoch-{len(progress.history):05d}-step-{progress.partial.steps:06d}",
        )


def _metrics(progress: Progress) -> dict[str, Any]:
    done = {"epoch": len(progress.history), "step": progress.partial.steps}
    if steps := progress.partial.steps:
        return {**done, "loss": progress.partial.losses["total"] / steps}
    last = progress.history[-1]
    validation = {f"validation/{name}": value for name, value in last.validation.items()}
    speed = {"triplets_per_s": last.triplets_per_s, "pixels": last.pixels}
    return {**done, "loss": last.losses["total"], **speed, **validation}
