"""What each worker of a distributed run does. Ray Train calls it, and again after a failure."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import ray.train
import torch
from ray.train.collective import broadcast_from_rank_zero
from ray.train.torch import get_device, prepare_model
from torch import nn

from cirray.cluster import usable_cores
from cirray.datasets import PreparedDataset, open_source
from cirray.encoders import Vocabulary
from cirray.errors import TrainingError
from cirray.recipes import RunConfig, ValidationConfig
from cirray.storage import Artifact, Location
from cirray.storage.lease import check_lease
from cirray.training.asides import asides
from cirray.training.board import Recorder, Teller, Writer
from cirray.training.checkpoint import VALIDATION, Snapshot, load_checkpoint
from cirray.training.checkpoints import Checkpoints
from cirray.training.data import TrainingData, make_sampler, uses_triplets
from cirray.training.held_out import with_held_out
from cirray.training.loop import fit
from cirray.training.progress import Progress
from cirray.training.reach import unreached
from cirray.training.rows import collect
from cirray.training.saving import Saver
from cirray.training.stopping import best_epoch
from cirray.training.trainee import Trainee, TrainingStep
from cirray.training.validation import Validation
from cirray.training.world import World

TRIPLETS = "triplets"
"""Name under which a worker finds the training triplets."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claim:
    """The right to write a run's checkpoints or a sweep's ledger, which one driver at a time has.

    Attributes:
        lease: place of its file.
        owner: who has it.
    """

    lease: Location
    owner: str

    def check(self) -> None:
        """Make sure that the right is still there.

        Raises:
            TrainingError: another driver has it, or it is not seen from here.
            StorageError: the lease cannot be read.
        """
        if not check_lease(self.lease, self.owner):
            raise TrainingError(
                f"{self.lease} is not held by this driver any more, or is on a disk of another machine.",
                hint="Let one driver at a time train a run or work on a sweep, and give a root that all nodes reach, "
                "such as s3://….",
            )


@dataclass(frozen=True)
class Assignment:
    """What a worker is told.

    Attributes:
        config: of the run.
        dataset: place of the prepared dataset.
        vocabulary: of the run.
        folder: of the run.
        checkpoints: of the run.
        claim: to them.
        board: where workers write how far they are.
    """

    config: RunConfig
    dataset: Location
    vocabulary: Vocabulary
    folder: Location
    checkpoints: Checkpoints
    claim: Claim
    board: Any


def work(settings: dict[str, Assignment]) -> None:
    """Train with the other workers, from the last checkpoint if there is one, and report every epoch.

    Args:
        settings: under "assignment", what to do.
    """
    assignment = settings["assignment"]
    config, world = assignment.config, _world()
    assignment.claim.check()
    dataset = with_held_out(config, PreparedDataset(Artifact.open(assignment.dataset, "dataset")))
    data = _open_data(config, dataset, assignment.vocabulary)
    trainee = Trainee.build(config, assignment.vocabulary, data.steps, world.device)
    progress = _resume(assignment, trainee, world)

    def save(snapshot: Snapshot) -> None:
        assignment.checkpoints.save(snapshot, assignment.claim.check)

    record = Recorder(assignment.board)
    with closing(data.pixels), Saver(save, Teller(assignment.board)) as saver:

        def on_progress(made: Progress) -> None:
            if world.rank == 0:
                saver(lambda: Snapshot.of(trainee, made))
            if not made.partial.steps:
                if world.rank == 0:
                    record(made.history)
                metrics = _metrics(made, config.training.validation)
                ray.train.report({**metrics, **asides(trainee.step.model, made)})

        fit(
            config,
            data,
            trainee,
            module=_distributed(trainee.step, config, world),
            world=world,
            progress=progress,
            on_progress=on_progress,
            on_step=Writer(assignment.board, world.size) if world.rank == 0 else lambda step, steps, loss: None,
            validate=_validation(assignment, dataset, world),
            inspection=assignment.folder,
        )


def _resume(assignment: Assignment, trainee: Trainee, world: World) -> Progress:
    """Put the newest checkpoint that is whole into the trainee; the first worker decides which it is."""
    checkpoints, say = assignment.checkpoints, Teller(assignment.board)
    found = None
    if world.rank == 0:
        found = checkpoints.newest(lambda checkpoint: load_checkpoint(checkpoint, trainee), say)
    name = broadcast_from_rank_zero(found[0] if found else None)
    if name is None:
        return Progress()
    if found is None:
        return load_checkpoint(checkpoints.open(name), trainee)
    say(f"going on from checkpoint {name} with {world.size} workers")
    return found[1]


def _distributed(step: TrainingStep, config: RunConfig, world: World) -> nn.Module:
    # Looking for weights without a gradient takes time in every step: only where there are some. A loss that counts
    # in some epochs only leaves some in the others. Where batches go through in parts, no one is asked to look.
    some = any(loss.first_epoch > 1 or loss.last_epoch is not None for loss in config.objective.values())
    share = config.training.batch_size // world.size
    if world.size > 1 and not some and (config.training.micro_batch or share) >= share:
        left_out = unreached(step, config, world)
        some = bool(left_out)
        if some and world.rank == 0:
            _LOG.info("No loss reaches %d weights, such as %s: they stay as they are.", len(left_out), left_out[0])
    wrapped: nn.Module = prepare_model(step, parallel_strategy_kwargs={"find_unused_parameters": some})
    return wrapped


def _validation(assignment: Assignment, dataset: PreparedDataset, world: World) -> Validation | None:
    config = assignment.config.training.validation
    return Validation(config, dataset, assignment.vocabulary, world) if config is not None else None


def _open_data(config: RunConfig, dataset: PreparedDataset, vocabulary: Vocabulary) -> TrainingData:
    sampler = make_sampler(config, dataset, _rows(config))
    threads = max(1, usable_cores() // ray.train.get_context().get_local_world_size())
    preprocessing = config.model.preprocessing
    pixels = open_source(dataset, preprocessing.size, config.training.pixels, fit=preprocessing.fit, threads=threads)
    _LOG.info("Pixels of %s come from a %s.", dataset.name, pixels.kind)
    return TrainingData(config, sampler, vocabulary, pixels)


def _rows(config: RunConfig) -> pa.Table | None:
    return collect(ray.train.get_dataset_shard(TRIPLETS)) if uses_triplets(config) else None


def _world() -> World:
    context = ray.train.get_context()
    world = World(context.get_world_rank(), context.get_world_size(), get_device())
    if world.device.type == "cpu":
        torch.set_num_threads(max(1, usable_cores() // context.get_local_world_size()))
    return world


def _metrics(progress: Progress, validation: ValidationConfig | None) -> dict[str, Any]:
    last = progress.history[-1]
    metrics = {
        "epoch": len(progress.history),
        "loss": last.losses["total"],
        "triplets_per_s": last.triplets_per_s,
        "pixels": last.pixels,
        **{f"{VALIDATION}{name}": value for name, value in last.validation.items()},
    }
    if validation is not None and (best := best_epoch(validation, progress.history)) is not None:
        metrics["best_epoch"] = best.epoch
    return metrics
