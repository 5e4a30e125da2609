"""How many workers train and on what, and whether the cluster has it."""

from __future__ import annotations

import math

import ray
from pydantic import Field, model_validator

from cirray.config import Config
from cirray.errors import ConfigError, TrainingError

LEAST_CPU = 0.1
"""What a worker reserves at least: ten on one CPU are too many for any use."""


class Scaling(Config):
    """How many workers train, and on what. None of it decides which run it is, but for `gpu`.

    Attributes:
        workers: number of processes, one model replica each.
        min_workers: with fewer the run waits for nodes; null for `workers`, so that it never goes on with fewer.
        gpu: whether each takes a GPU (NCCL, bf16) or works on the CPU (gloo).
        max_failures: how many times in a row workers may die with no new checkpoint in between.
        timeout_s: how long a worker waits for the others before it gives up.
        cpus: that each worker reserves; null for one, or less where the cluster has fewer.
        wait_s: how long the run waits for nodes that it lacks.
        resize_every_s: how often a run with fewer than `workers` looks for new nodes, which it takes in by going on
            from the last checkpoint with more workers.
    """

    workers: int = Field(1, ge=1)
    min_workers: int | None = Field(None, ge=1)
    gpu: bool = False
    max_failures: int = Field(3, ge=0)
    timeout_s: int = Field(300, ge=1)
    cpus: float | None = Field(None, ge=LEAST_CPU)
    wait_s: int = Field(3600, ge=0)
    resize_every_s: float = Field(60.0, gt=0)

    @model_validator(mode="after")
    def _in_order(self) -> Scaling:
        if self.min_workers is not None and self.min_workers > self.workers:
            raise ConfigError(f"min_workers is {self.min_workers}, more than workers, {self.workers}.")
        return self

    @property
    def fewest(self) -> int:
        """With how many workers the run goes on at least."""
        return self.workers if self.min_workers is None else self.min_workers

    @property
    def elastic(self) -> bool:
        """Whether the number of workers may change."""
        return self.fewest < self.workers


def most_that_divide(batch_size: int, workers: int) -> int:
    """Return the largest number of workers, up to `workers`, that can share a batch equally; 0 for none."""
    return next((number for number in range(workers, 0, -1) if batch_size % number == 0), 0)


def check_share(batch_size: int, scaling: Scaling) -> None:
    """Make sure that a batch can be shared equally by some allowed number of workers.

    Raises:
        ConfigError: it cannot.
    """
    if most_that_divide(batch_size, scaling.workers) < scaling.fewest:
        allowed = f"{scaling.fewest} to {scaling.workers}" if scaling.elastic else str(scaling.workers)
        raise ConfigError(
            f"training.batch_size {batch_size} cannot be shared equally by {allowed} workers.",
            hint=f"Set it to a multiple of {scaling.workers}.",
        )


def resources_per_worker(scaling: Scaling) -> dict[str, float]:
    """Return what each worker reserves, with a rest for Ray Data: without one, both would wait for ever.

    Raises:
        TrainingError: the cluster has not enough for the fewest workers that are allowed.
    """
    cluster: dict[str, float] = ray.cluster_resources()
    if scaling.gpu and cluster.get("GPU", 0) < scaling.fewest:
        raise TrainingError(
            f"{scaling.fewest} workers need a GPU each; the cluster has {int(cluster.get('GPU', 0))}.",
            hint="Train with fewer workers, or without --gpu.",
        )
    spare = cluster.get("CPU", 0) - 1
    if spare < LEAST_CPU * scaling.fewest:
        raise TrainingError(
            f"{scaling.fewest} workers do not fit a cluster of {cluster.get('CPU', 0):g} CPUs, of which one is "
            "kept for data.",
            hint="Train with fewer workers, or add nodes.",
        )
    cpus = scaling.cpus or max(LEAST_CPU, min(1.0, spare / scaling.workers))
    # Rounded down: a hundredth too much for each worker would eat into the rest.
    return {"CPU": math.floor(100 * cpus) / 100, **({"GPU": 1.0} if scaling.gpu else {})}
