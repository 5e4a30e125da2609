"""A run from its data to its bundle, on as many workers as there are."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import ray.train
from ray.train.torch import TorchConfig
from ray.train.v2._internal.constants import (
    DEFAULT_WORKER_GROUP_START_TIMEOUT_S,
    WORKER_GROUP_START_TIMEOUT_S_ENV_VAR,
)
from ray.train.v2.api.config import FailureConfig, ScalingConfig

from cirray.bundles import save_bundle
from cirray.cluster import own_errors, ray_cluster
from cirray.composers import Retriever
from cirray.datasets import PreparedDataset
from cirray.encoders import Vocabulary, no_initial_weights
from cirray.recipes import RunConfig
from cirray.storage import Artifact, Location
from cirray.training.board import Heartbeat, History, Teller, watched
from cirray.training.checkpoint import load_progress, load_weights, load_whole
from cirray.training.checkpoints import Checkpoints
from cirray.training.data import uses_triplets
from cirray.training.elastic import SharingTrainer
from cirray.training.failures import GiveUp, InterruptedRunError, told
from cirray.training.progress import EpochReport, Progress
from cirray.training.rows import triplet_rows
from cirray.training.scaling import Scaling, resources_per_worker
from cirray.training.stopping import best_epoch, stops_early
from cirray.training.worker import TRIPLETS, Assignment, Claim, work


@dataclass(frozen=True)
class Run:
    """A run that this process may train, since it holds the lease.

    Attributes:
        config: of the run.
        dataset: prepared.
        scaling: workers.
        folder: of the run.
        checkpoints: of the run.
        claim: to them.
        on_heartbeat: hears how far training is.
        on_history: hears the reports of all epochs, whenever there are new ones.
        on_said: hears what befalls the run.
        callbacks: that Ray Train's controller calls.
    """

    config: RunConfig
    dataset: PreparedDataset
    scaling: Scaling
    folder: Location
    checkpoints: Checkpoints
    claim: Claim
    on_heartbeat: Callable[[Heartbeat], None]
    on_history: Callable[[History], None]
    on_said: Callable[[str], None]
    callbacks: Sequence[ray.train.UserCallback] = ()

    def to_bundle(self, place: Location, vocabulary: Vocabulary) -> Artifact:
        """Train for what is left of the run, and write its bundle at `place`."""
        self.checkpoints.sweep()
        found = self.checkpoints.newest(load_whole, self.on_said)
        self.on_history(found[1].history if found else ())
        if found is None or not self._is_done(found[1]):
            self._fit(vocabulary)
        bundle = self._bundle(place, vocabulary)
        self.checkpoints.sweep()
        return bundle

    def _is_done(self, progress: Progress) -> bool:
        training, history = self.config.training, progress.history
        return len(history) >= training.epochs or stops_early(training.validation, history)

    def _fit(self, vocabulary: Vocabulary) -> None:
        config, scaling, dataset = self.config, self.scaling, self.dataset
        with ray_cluster(), own_errors():
            resources = resources_per_worker(scaling)
            with watched(self.on_heartbeat, self.on_history, self.on_said) as board:
                assignment = Assignment(
                    config, dataset.artifact.place, vocabulary, self.folder, self.checkpoints, self.claim, board
                )
                trainer = SharingTrainer(
                    work,
                    batch_size=config.training.batch_size,
                    train_loop_config={"assignment": assignment},
                    torch_config=TorchConfig(backend="nccl" if scaling.gpu else "gloo", timeout_s=scaling.timeout_s),
                    scaling_config=ScalingConfig(
                        num_workers=(scaling.fewest, scaling.workers) if scaling.elastic else scaling.workers,
                        use_gpu=scaling.gpu,
                        resources_per_worker=resources,
                        elastic_resize_monitor_interval_s=scaling.resize_every_s,
                    ),
                    run_config=self._run_config(board),
                    datasets={TRIPLETS: triplet_rows(dataset, config.split)} if uses_triplets(config) else {},
                    # Every worker reads all rows and takes its share of each batch: which triplets make a batch must
                    # follow from the seed, not from which worker asked for the next block first.
                    dataset_config=ray.train.DataConfig(datasets_to_split=[]),
                )
                try:
                    trainer.fit()
                except ray.train.TrainingFailedError as error:
                    raise told(error) from error

    def _run_config(self, board: Any) -> ray.train.RunConfig:
        above, _, name = self.folder.path.rpartition("/")
        give_up = GiveUp(self.scaling.max_failures, partial(_last, self.checkpoints), Teller(board))
        callbacks: list[Any] = [give_up, *self.callbacks]  # Ray's annotation is that of its former callbacks
        return ray.train.RunConfig(
            name=name,
            # Ray keeps nothing there but a marker: the checkpoints are ours (see `Checkpoints`).
            storage_path=above,
            storage_filesystem=self.folder.filesystem,
            failure_config=FailureConfig(
                max_failures=-1,  # `GiveUp` counts them
                controller_failure_limit=math.ceil(self.scaling.wait_s / _start_timeout_s()),
            ),
            callbacks=callbacks,
        )

    def _bundle(self, place: Location, vocabulary: Vocabulary) -> Artifact:
        config, dataset = self.config, self.dataset
        with no_initial_weights():
            model = Retriever(config.model, vocabulary)

        def read(checkpoint: Artifact) -> Progress:
            load_weights(checkpoint, model)
            return load_progress(checkpoint)

        found = self.checkpoints.newest(read, self.on_said)
        if found is None or not self._is_done(found[1]):
            # What was trained last was damaged meanwhile, or workers wrote where this process does not look.
            raise InterruptedRunError(
                f"The run has ended, but its last checkpoint is not at {self.checkpoints.place}.",
                hint="Run the same command again to go on from what is there.",
            )
        history = found[1].history
        # The board may have gone down with the cluster before the last epochs were read from it.
        self.on_history(history)
        chosen = history[self._chosen(read, history) - 1]
        return save_bundle(
            place,
            name=config.name,
            fingerprint=self.checkpoints.fingerprint,
            model=model,
            vocabulary=vocabulary,
            inputs={"dataset": dataset.fingerprint},
            settings=config.model_dump(mode="json"),
            details={
                "dataset": f"{dataset.name}@{dataset.artifact.version}",
                "scaling": self.scaling.model_dump(mode="json"),
                "epoch": chosen.epoch,
                "metrics": _metrics(chosen),
                "history": [report.model_dump(mode="json") for report in history],
            },
        )

    def _chosen(self, read: Callable[[Artifact], Progress], history: Sequence[EpochReport]) -> int:
        """Have the checkpoint read whose weights the bundle gets, after the last one; return its epoch, from 1."""
        validation = self.config.training.validation
        if validation is None or self.checkpoints.bundle_metric is None:
            return len(history)
        found, best = self.checkpoints.best(read, self.on_said), best_epoch(validation, history)
        epoch = len(found[1].history) if found is not None else len(history)
        if best is not None and best.epoch != epoch:
            self.on_said(f"no checkpoint of epoch {best.epoch}, the best, is there: the bundle is of epoch {epoch}")
        return epoch


def _metrics(epoch: EpochReport) -> dict[str, float]:
    """Return what the bundle's epoch came to, by names that people understand."""
    losses = {f"loss ({name})": value for name, value in epoch.losses.items()}
    return losses | {f"validation {name}": value for name, value in epoch.validation.items()}


def _last(checkpoints: Checkpoints) -> str | None:
    names = checkpoints.names()
    return names[-1] if names else None


def _start_timeout_s() -> float:
    """Return how long Ray waits for workers to start before it counts that as a failure of its own."""
    return float(os.environ.get(WORKER_GROUP_START_TIMEOUT_S_ENV_VAR, DEFAULT_WORKER_GROUP_START_TIMEOUT_S))
