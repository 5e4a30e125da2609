"""What each worker of a distributed run does. Ray Train calls it, and again after a failure."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray.train
import torch
from ray.train.torch import get_device, prepare_model

from cirray.cluster import usable_cores
from cirray.datasets import PreparedDataset, open_pixels
from cirray.recipes import RunConfig
from cirray.storage import Artifact, Location
from cirray.training.board import Writer
from cirray.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from cirray.training.data import TrainingData
from cirray.training.loop import EpochReport, World, fit
from cirray.training.sampling import steps_in_epoch
from cirray.training.tokens import collect
from cirray.training.trainee import Trainee

TRIPLETS = "triplets"
"""Name under which a worker finds the training triplets."""


@dataclass(frozen=True)
class Assignment:
    """What a worker is told.

    Attributes:
        config: of the run.
        dataset: place of the prepared dataset.
        vocabulary_size: number of token ids.
        board: where the first worker writes how far it is.
    """

    config: RunConfig
    dataset: Location
    vocabulary_size: int
    board: Any


def work(settings: dict[str, Assignment]) -> None:
    """Train with the other workers, from the last checkpoint if there is one, and report every epoch.

    Args:
        settings: under "assignment", what to do.
    """
    assignment = settings["assignment"]
    config, world = assignment.config, _world()
    dataset = PreparedDataset(Artifact.open(assignment.dataset, "dataset"))
    pixels = open_pixels(dataset, config.model.preprocessing.size).pixels
    data = TrainingData.of(dataset, pixels, collect(ray.train.get_dataset_shard(TRIPLETS)))
    steps = steps_in_epoch(len(data), config.training.batch_size)
    trainee = Trainee.build(config, assignment.vocabulary_size, steps, world.device)
    history: list[EpochReport] = []
    if (checkpoint := ray.train.get_checkpoint()) is not None:
        with checkpoint.as_directory() as folder:
            history.extend(load_checkpoint(Path(folder), trainee).history)

    def report(epoch: EpochReport) -> None:
        history.append(epoch)
        _report(trainee, Progress(history=tuple(history)), world)

    fit(
        config,
        data,
        trainee,
        module=prepare_model(trainee.step),
        world=world,
        epochs_done=len(history),
        on_epoch=report,
        on_step=Writer(assignment.board) if world.rank == 0 else lambda step, steps, loss: None,
    )


def _world() -> World:
    context = ray.train.get_context()
    world = World(context.get_world_rank(), context.get_world_size(), get_device())
    if world.device.type == "cpu":
        torch.set_num_threads(max(1, usable_cores() // context.get_local_world_size()))
    return world


def _report(trainee: Trainee, progress: Progress, world: World) -> None:
    """Report the epoch; the first worker adds a checkpoint, without which Ray Train would keep no metrics."""
    epoch = progress.history[-1]
    metrics = {"epoch": epoch.epoch, "loss": epoch.losses["total"], "triplets_per_s": epoch.triplets_per_s}
    if world.rank:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder), trainee, progress)
        # A name that follows from the epoch: a repeated epoch replaces its orphan instead of adding one.
        ray.train.report(
            metrics,
            checkpoint=ray.train.Checkpoint.from_directory(folder),
            checkpoint_dir_name=f"epoch-{epoch.epoch:05d}",
        )
