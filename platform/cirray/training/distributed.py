"""Ray Train around the training loop: any number of workers, checkpoints at the root, recovery."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from pydantic import Field
from ray.train.torch import TorchConfig, TorchTrainer, get_device, prepare_model
from ray.train.v2.api.config import FailureConfig

from cirray.bundles import save_bundle
from cirray.config import Config
from cirray.datasets import PreparedDataset, open_pixels
from cirray.encoders import Vocabulary
from cirray.errors import TrainingError
from cirray.recipes import RunConfig
from cirray.storage import Artifact, Location, Root, fingerprint, library_versions
from cirray.training.board import Sign, Writer, watched
from cirray.training.checkpoint import Progress, load_checkpoint, load_progress, save_checkpoint
from cirray.training.data import TrainingData
from cirray.training.loop import EpochReport, World, fit
from cirray.training.sampling import check_divisible, steps_in_epoch
from cirray.training.tokens import collect, tokenised
from cirray.training.trainee import Trainee

NUM_CHECKPOINTS = 2
"""Kept of each run: the last, and the one before it in case the last is damaged."""


class Scaling(Config):
    """How many workers train, and on what.

    Attributes:
        workers: number of processes, one model replica each.
        gpu: whether each takes a GPU (NCCL, bf16) or works on the CPU (gloo).
        max_failures: how many times the run goes on after workers died.
        timeout_s: how long a worker waits for the others before it gives up.
    """

    workers: int = Field(1, ge=1)
    gpu: bool = False
    max_failures: int = Field(3, ge=0)
    timeout_s: int = Field(300, ge=1)


def run_fingerprint(config: RunConfig, dataset: PreparedDataset, scaling: Scaling) -> str:
    """Return the fingerprint of all that decides a run's weights."""
    return fingerprint(
        {
            "config": config.model_dump(mode="json"),
            "dataset": dataset.fingerprint,
            "workers": scaling.workers,
            "gpu": scaling.gpu,
            "versions": {name: library_versions()[name] for name in ("cirray", "torch")},
        }
    )


def train(
    root: Root,
    config: RunConfig,
    dataset: PreparedDataset,
    scaling: Scaling,
    on_sign: Callable[[Sign], None] = lambda sign: None,
) -> tuple[Artifact, bool]:
    """Train a model, or go on with a run that was interrupted; return its bundle and whether anything was trained.

    The run's name follows from its configuration and data, so that the same call after a crash of the driver takes
    up the last checkpoint, and after success returns at once.

    Args:
        root: where checkpoints and the bundle go.
        config: of the run.
        dataset: prepared.
        scaling: workers.
        on_sign: hears how far training is.

    Raises:
        ConfigError: the batch does not fit the data or the workers.
        TrainingError: the cluster is too small, or the run failed more often than it may.
    """
    identity = run_fingerprint(config, dataset, scaling)
    shelf = root.model(config.name)
    if finished := shelf.has(identity):
        bundle = Artifact.open(shelf.version(identity), shelf.kind)
    else:
        triplets = dataset.triplets(config.split)
        check_divisible(config.training.batch_size, scaling.workers)
        steps_in_epoch(triplets.num_rows, config.training.batch_size)
        vocabulary = Vocabulary.of(triplets["text"].to_pylist(), config.model.tokenizer)
        checkpoint = _fit(root, config, dataset, vocabulary, scaling, identity, on_sign)
        bundle = _bundle(shelf.version(identity), identity, config, dataset, vocabulary, scaling, checkpoint)
    shelf.point_at(bundle.version)
    return bundle, not finished


def _fit(
    root: Root,
    config: RunConfig,
    dataset: PreparedDataset,
    vocabulary: Vocabulary,
    scaling: Scaling,
    identity: str,
    on_sign: Callable[[Sign], None],
) -> ray.train.Checkpoint:
    runs = root.runs()
    resources = _resources(scaling)
    with watched(on_sign) as board:
        trainer = TorchTrainer(
            _worker,
            train_loop_config={
                "config": config.model_dump_json(),
                "dataset": dataset.artifact.place,
                "vocabulary_size": len(vocabulary),
                "board": board,
            },
            torch_config=TorchConfig(backend="nccl" if scaling.gpu else "gloo", timeout_s=scaling.timeout_s),
            scaling_config=ray.train.ScalingConfig(
                num_workers=scaling.workers, use_gpu=scaling.gpu, resources_per_worker=resources
            ),
            run_config=ray.train.RunConfig(
                name=f"{config.name.replace('/', '--')}-{identity[:16]}",
                storage_path=runs.path,
                storage_filesystem=runs.filesystem,
                checkpoint_config=ray.train.CheckpointConfig(num_to_keep=NUM_CHECKPOINTS),
                failure_config=FailureConfig(max_failures=scaling.max_failures, controller_failure_limit=3),
            ),
            datasets={"triplets": tokenised(dataset, config.split, vocabulary)},
            # Every worker reads all rows and takes its share of each batch: which triplets make a batch must
            # follow from the seed, not from which worker asked for the next block first.
            dataset_config=ray.train.DataConfig(datasets_to_split=[]),
        )
        try:
            result = trainer.fit()
        except ray.train.TrainingFailedError as error:
            raise TrainingError(_reason(error), hint="Run the same command again to go on from there.") from error
    if result.checkpoint is None:
        raise TrainingError(f"The run at {result.path} ended without a checkpoint.")
    checkpoint: ray.train.Checkpoint = result.checkpoint
    return checkpoint


def _resources(scaling: Scaling) -> dict[str, float]:
    """Return what each worker reserves, with a rest for Ray Data: without one, both would wait for ever."""
    cluster: dict[str, float] = ray.cluster_resources()
    if scaling.gpu and cluster.get("GPU", 0) < scaling.workers:
        raise TrainingError(
            f"{scaling.workers} workers need a GPU each; the cluster has {int(cluster.get('GPU', 0))}.",
            hint="Train with fewer workers, or without --gpu.",
        )
    cpus = min(1.0, (cluster.get("CPU", 0) - 1) / scaling.workers)
    if cpus < 0.1:
        raise TrainingError(
            f"{scaling.workers} workers do not fit a cluster of {cluster.get('CPU', 0):g} CPUs, of which one is "
            "kept for data.",
            hint="Train with fewer workers, or add nodes.",
        )
    return {"CPU": round(cpus, 2), **({"GPU": 1.0} if scaling.gpu else {})}


def _reason(error: Exception) -> str:
    failures = getattr(error, "worker_failures", None) or {}
    causes = {type(cause).__name__ + ": " + str(cause).strip().splitlines()[-1] for cause in failures.values()}
    return f"Training failed: {'; '.join(sorted(causes)) or error}."


def _worker(settings: dict[str, Any]) -> None:
    """Run the training loop on one worker. Ray calls it on each, and again after a failure."""
    config = RunConfig.model_validate_json(settings["config"])
    dataset = PreparedDataset(Artifact.open(settings["dataset"], "dataset"))
    context = ray.train.get_context()
    world = World(context.get_world_rank(), context.get_world_size(), get_device())
    if world.device.type == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // context.get_local_world_size()))

    rows = ray.train.get_dataset_shard("triplets")
    data = TrainingData.of(dataset, open_pixels(dataset, config.model.preprocessing.size).pixels, collect(rows))
    steps = steps_in_epoch(len(data), config.training.batch_size)
    trainee = Trainee.build(config, settings["vocabulary_size"], steps, world.device)
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
        on_step=Writer(settings["board"]) if world.rank == 0 else lambda step, steps, loss: None,
    )


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


def _bundle(
    place: Location,
    identity: str,
    config: RunConfig,
    dataset: PreparedDataset,
    vocabulary: Vocabulary,
    scaling: Scaling,
    checkpoint: ray.train.Checkpoint,
) -> Artifact:
    steps = steps_in_epoch(dataset.triplets(config.split).num_rows, config.training.batch_size)
    trainee = Trainee.build(config, len(vocabulary), steps, torch.device("cpu"))
    with checkpoint.as_directory() as folder:
        load_checkpoint(Path(folder), trainee)
        progress = load_progress(Path(folder))
    return save_bundle(
        place,
        name=config.name,
        fingerprint=identity,
        model=trainee.step.model,
        vocabulary=vocabulary,
        inputs={"dataset": dataset.fingerprint},
        settings=config.model_dump(mode="json"),
        details={
            "dataset": f"{dataset.name}@{dataset.artifact.version}",
            "scaling": scaling.model_dump(mode="json"),
            "history": [report.model_dump(mode="json") for report in progress.history],
        },
    )
