"""Ray Train around the training loop: any number of workers, checkpoints at the root, recovery."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ray
import ray.train
import torch
from pydantic import Field
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.v2.api.config import FailureConfig

from cirray.bundles import save_bundle
from cirray.cluster import own_errors, ray_cluster
from cirray.config import Config
from cirray.datasets import PreparedDataset
from cirray.encoders import Vocabulary
from cirray.errors import TrainingError
from cirray.recipes import RunConfig
from cirray.storage import Artifact, Location, Root, fingerprint, library_versions
from cirray.storage.fingerprint import VERSION_LENGTH
from cirray.training.board import Sign, watched
from cirray.training.checkpoint import load_checkpoint
from cirray.training.data import make_sampler, uses_triplets
from cirray.training.rows import triplet_rows
from cirray.training.sampling import check_divisible
from cirray.training.trainee import Trainee
from cirray.training.worker import TRIPLETS, Assignment, work

NUM_CHECKPOINTS = 2
"""Kept of each run: the last, and the one before it in case the last is damaged."""

NO_MATTER = {"pixels", "checkpoint_every_steps"}
"""Settings of training that no weight depends on: a run may go on with others."""


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
            "config": config.model_dump(mode="json", exclude={"training": NO_MATTER}),
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
        check_divisible(config.training.batch_size, scaling.workers)
        sampler = make_sampler(config, dataset)
        steps = sampler.steps(config.training.batch_size)
        vocabulary = Vocabulary.of(sampler.texts(), config.model.tokenizer, config.model.on_unknown)
        checkpoint = _fit(root, config, dataset, vocabulary, scaling, identity, on_sign)
        trainee = Trainee.build(config, len(vocabulary), steps, torch.device("cpu"))
        bundle = _bundle(shelf.version(identity), identity, config, dataset, vocabulary, scaling, trainee, checkpoint)
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
    with ray_cluster(), own_errors(), watched(on_sign) as board:
        trainer = TorchTrainer(
            work,
            train_loop_config={
                "assignment": Assignment(config, dataset.artifact.place, vocabulary, board),
            },
            torch_config=TorchConfig(backend="nccl" if scaling.gpu else "gloo", timeout_s=scaling.timeout_s),
            scaling_config=ray.train.ScalingConfig(
                num_workers=scaling.workers, use_gpu=scaling.gpu, resources_per_worker=_resources(scaling)
            ),
            run_config=_run_config(root, config, scaling, identity),
            datasets={TRIPLETS: triplet_rows(dataset, config.split)} if uses_triplets(config) else {},
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


def _run_config(root: Root, config: RunConfig, scaling: Scaling, identity: str) -> ray.train.RunConfig:
    runs = root.runs()
    return ray.train.RunConfig(
        name=f"{config.name.replace('/', '--')}-{identity[:VERSION_LENGTH]}",
        storage_path=runs.path,
        storage_filesystem=runs.filesystem,
        checkpoint_config=ray.train.CheckpointConfig(num_to_keep=NUM_CHECKPOINTS),
        failure_config=FailureConfig(max_failures=scaling.max_failures, controller_failure_limit=3),
    )


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


def _bundle(
    place: Location,
    identity: str,
    config: RunConfig,
    dataset: PreparedDataset,
    vocabulary: Vocabulary,
    scaling: Scaling,
    trainee: Trainee,
    checkpoint: ray.train.Checkpoint,
) -> Artifact:
    with checkpoint.as_directory() as folder:
        progress = load_checkpoint(Path(folder), trainee)
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
