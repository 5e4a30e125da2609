"""Ray Train around the training loop: any number of workers, checkpoints at the root, recovery."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from pydantic import Field
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.v2.api.config import FailureConfig

from cirray.bundles import BundleDetails, save_bundle
from cirray.cluster import own_errors, ray_cluster
from cirray.composers import Retriever
from cirray.config import Config
from cirray.datasets import PreparedDataset
from cirray.encoders import Vocabulary, no_initial_weights
from cirray.errors import ConfigError, TrainingError
from cirray.recipes import RunConfig
from cirray.storage import Artifact, Location, Root, code_fingerprint, fingerprint, library_versions
from cirray.storage.fingerprint import VERSION_LENGTH
from cirray.training.board import Heartbeat, watched
from cirray.training.checkpoint import load_progress, load_weights
from cirray.training.data import make_sampler, training_texts, uses_triplets
from cirray.training.failures import GiveUp, told
from cirray.training.held_out import with_held_out
from cirray.training.progress import EpochReport
from cirray.training.rows import triplet_rows
from cirray.training.sampling import check_divisible
from cirray.training.trainee import Trainee
from cirray.training.validation import protocol_for
from cirray.training.worker import TRIPLETS, Assignment, work

NUM_CHECKPOINTS = 1
"""Kept of each run: the last. Ray deletes the one before it only after it has written down that the last is whole."""

DECIDING_CODE = (
    "cirray.batches",
    "cirray.composers",
    "cirray.datasets.caption_pairs",
    "cirray.datasets.fitting",
    "cirray.datasets.pictures",
    "cirray.datasets.pixels",
    "cirray.datasets.schema",
    "cirray.datasets.streaming",
    "cirray.encoders",
    "cirray.objectives",
    "cirray.training",
)
"""What decides the weights that a configuration leads to: after a change there, a run is another run."""

NO_MATTER = {"pixels", "checkpoint_every_steps"}
"""Settings of training that no weight depends on: a run may go on with others."""


class Scaling(Config):
    """How many workers train, and on what.

    Attributes:
        workers: number of processes, one model replica each.
        gpu: whether each takes a GPU (NCCL, bf16) or works on the CPU (gloo).
        max_failures: how many times the run goes on after workers died.
        timeout_s: how long a worker waits for the others before it gives up.
        cpus: that each worker reserves; null for one, or less where the cluster has fewer.
    """

    workers: int = Field(1, ge=1)
    gpu: bool = False
    max_failures: int = Field(3, ge=0)
    timeout_s: int = Field(300, ge=1)
    cpus: float | None = Field(None, gt=0)


class TrainingDetails(BundleDetails):
    """What the manifest of a bundle tells of its training.

    Attributes:
        history: of all epochs, at least one.
    """

    history: tuple[EpochReport, ...] = Field(min_length=1)


def run_fingerprint(config: RunConfig, dataset: PreparedDataset, scaling: Scaling) -> str:
    """Return the fingerprint of all that decides a run's weights."""
    return fingerprint(
        {
            "config": config.model_dump(mode="json", exclude={"training": NO_MATTER}),
            "dataset": dataset.fingerprint,
            "workers": scaling.workers,
            "gpu": scaling.gpu,
            "versions": {name: library_versions()[name] for name in ("cirray", "torch")},
            "code": code_fingerprint(*DECIDING_CODE),
        }
    )


def train(
    root: Root,
    config: RunConfig,
    dataset: PreparedDataset,
    scaling: Scaling,
    on_heartbeat: Callable[[Heartbeat], None] = lambda heartbeat: None,
    *,
    callbacks: Sequence[ray.train.UserCallback] = (),
    latest: bool = True,
) -> tuple[Artifact, bool]:
    """Train a model, or go on with a run that was interrupted; return its bundle and whether anything was trained.

    The run's name follows from its configuration, data and code, so that the same call after a crash of the driver
    takes up the last checkpoint, and after success returns at once.

    Args:
        root: where checkpoints and the bundle go.
        config: of the run; the dataset that it names gives way to `dataset`.
        dataset: prepared.
        scaling: workers.
        on_heartbeat: hears how far training is.
        callbacks: that Ray Train's controller calls.
        latest: whether the bundle becomes the one that the model's name alone means.

    Raises:
        ConfigError: the batch does not fit the data or the workers, or the settings give no model.
        ClusterError: Ray cannot be reached or started.
        TrainingError: the cluster is too small, or the run failed more often than it may.
        CirrayError: whatever else a worker met that is cirray's own.
    """
    config = config.model_copy(update={"dataset": dataset.name})
    identity = run_fingerprint(config, dataset, scaling)
    shelf = root.model(config.name)
    if finished := shelf.has(identity):
        bundle = Artifact.open(shelf.version(identity), shelf.kind)
    else:
        check_divisible(config.training.batch_size, scaling.workers)
        sampler = make_sampler(config, dataset)
        # In a worker, a batch that is larger than the data would count as a failure.
        sampler.steps(config.training.batch_size)
        if config.training.validation is not None:
            protocol_for(config.training.validation, with_held_out(config, dataset))
        model = config.model
        vocabulary = Vocabulary.of(
            training_texts(config, sampler), model.tokenizer, model.on_unknown, model.min_count
        )
        _check_buildable(config, vocabulary)
        checkpoint = _fit(root, config, dataset, vocabulary, scaling, identity, on_heartbeat, callbacks)
        bundle = _bundle(shelf.version(identity), identity, config, dataset, vocabulary, scaling, checkpoint)
    if latest:
        shelf.point_at(bundle.version)
    return bundle, not finished


def _check_buildable(config: RunConfig, vocabulary: Vocabulary) -> None:
    """Build the model once here, where its error is the caller's: in a worker it would count as a failed one.

    Raises:
        ConfigError: the settings give no model.
    """
    try:
        Trainee.build(config, vocabulary, 1, torch.device("cpu"))
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            f"The settings of {config.name} give no model: {error}.", hint="Change those under model or objective."
        ) from error


def _fit(
    root: Root,
    config: RunConfig,
    dataset: PreparedDataset,
    vocabulary: Vocabulary,
    scaling: Scaling,
    identity: str,
    on_heartbeat: Callable[[Heartbeat], None],
    callbacks: Sequence[ray.train.UserCallback],
) -> ray.train.Checkpoint:
    with ray_cluster(), own_errors(), watched(on_heartbeat) as board:
        trainer = TorchTrainer(
            work,
            train_loop_config={
                "assignment": Assignment(config, dataset.artifact.place, vocabulary, board),
            },
            torch_config=TorchConfig(backend="nccl" if scaling.gpu else "gloo", timeout_s=scaling.timeout_s),
            scaling_config=ray.train.ScalingConfig(
                num_workers=scaling.workers, use_gpu=scaling.gpu, resources_per_worker=_resources(scaling)
            ),
            run_config=_run_config(root, config, scaling, identity, callbacks),
            datasets={TRIPLETS: triplet_rows(dataset, config.split)} if uses_triplets(config) else {},
            # Every worker reads all rows and takes its share of each batch: which triplets make a batch must
            # follow from the seed, not from which worker asked for the next block first.
            dataset_config=ray.train.DataConfig(datasets_to_split=[]),
        )
        try:
            result = trainer.fit()
        except ray.train.TrainingFailedError as error:
            raise told(error) from error
        if result.checkpoint is None:
            raise TrainingError(f"The run at {result.path} ended without a checkpoint.")
        checkpoint: ray.train.Checkpoint = result.checkpoint
        return checkpoint


def _run_config(
    root: Root, config: RunConfig, scaling: Scaling, identity: str, callbacks: Sequence[ray.train.UserCallback]
) -> ray.train.RunConfig:
    runs = root.runs()
    hears: list[Any] = [GiveUp(), *callbacks]  # Ray's annotation is that of its former callbacks
    return ray.train.RunConfig(
        name=f"{config.name.replace('/', '--')}-{identity[:VERSION_LENGTH]}",
        storage_path=runs.path,
        storage_filesystem=runs.filesystem,
        checkpoint_config=ray.train.CheckpointConfig(num_to_keep=NUM_CHECKPOINTS),
        failure_config=FailureConfig(max_failures=scaling.max_failures, controller_failure_limit=3),
        callbacks=hears,
    )


def _resources(scaling: Scaling) -> dict[str, float]:
    """Return what each worker reserves, with a rest for Ray Data: without one, both would wait for ever."""
    cluster: dict[str, float] = ray.cluster_resources()
    if scaling.gpu and cluster.get("GPU", 0) < scaling.workers:
        raise TrainingError(
            f"{scaling.workers} workers need a GPU each; the cluster has {int(cluster.get('GPU', 0))}.",
            hint="Train with fewer workers, or without --gpu.",
        )
    cpus = scaling.cpus or min(1.0, (cluster.get("CPU", 0) - 1) / scaling.workers)
    if cpus < 0.1:
        raise TrainingError(
            f"{scaling.workers} workers do not fit a cluster of {cluster.get('CPU', 0):g} CPUs, of which one is "
            "kept for data.",
            hint="Train with fewer workers, or add nodes.",
        )
    # Rounded down: a hundredth too much for each worker would eat into the rest.
    return {"CPU": math.floor(100 * cpus) / 100, **({"GPU": 1.0} if scaling.gpu else {})}


def _bundle(
    place: Location,
    identity: str,
    config: RunConfig,
    dataset: PreparedDataset,
    vocabulary: Vocabulary,
    scaling: Scaling,
    checkpoint: ray.train.Checkpoint,
) -> Artifact:
    with no_initial_weights():
        model = Retriever(config.model, vocabulary)
    with checkpoint.as_directory() as folder:
        load_weights(Path(folder), model)
        progress = load_progress(Path(folder))
    return save_bundle(
        place,
        name=config.name,
        fingerprint=identity,
        model=model,
        vocabulary=vocabulary,
        inputs={"dataset": dataset.fingerprint},
        settings=config.model_dump(mode="json"),
        details={
            "dataset": f"{dataset.name}@{dataset.artifact.version}",
            "scaling": scaling.model_dump(mode="json"),
            "history": [report.model_dump(mode="json") for report in progress.history],
        },
    )
