"""What a sweep is told, and whether the cluster can do it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field, model_validator

from cirray.config import Config
from cirray.datasets import PreparedDataset
from cirray.errors import ConfigError
from cirray.evaluation import Protocol, count_queries
from cirray.recipes import HoldOutConfig, RunConfig, ValidationConfig
from cirray.training.held_out import HELD_OUT, with_held_out
from cirray.training.scaling import LEAST_CPU, Scaling
from cirray.training.validation import protocol_for

PARAMETERS, SECONDS_PER_QUERY = "parameters", "seconds_per_query"
COSTS = (PARAMETERS, SECONDS_PER_QUERY)
"""What a trial can be asked to keep low, beside its metric."""

DRIVER_CPUS = 0.01
"""Reserved for the process of a trial itself, which only waits for its workers."""

DATA_CPUS = 1.0
"""Left to Ray Data: without it, data and workers would wait for one another for ever."""

VALIDATION_SPLITS = ("val", "validation")


class SweepConfig(Config):
    """How a search space is searched.

    Attributes:
        trials: in all, those of an interrupted sweep among them.
        workers: training processes of each trial.
        gpu: whether each worker takes a GPU.
        concurrency: trials at a time; null for as many as the cluster has room for.
        metric: of the validation that is to be high; "mean" is the protocol's headline.
        cost: what is to be low besides, if anything: "parameters" or "seconds_per_query".
        early_stopping: whether trials that lag behind are stopped (ASHA).
        grace_epochs: that every trial may take.
        reduction: of the trials that reach a rung, one in so many goes on; rungs are this many times apart.
        hold_out: share of the training references to measure on, where the dataset has no validation split.
        seed: of the search, and of what is held out.
    """

    trials: int = Field(16, ge=1)
    workers: int = Field(1, ge=1)
    gpu: bool = False
    concurrency: int | None = Field(None, ge=1)
    metric: str = "mean"
    cost: str | None = None
    early_stopping: bool = True
    grace_epochs: int = Field(1, ge=1)
    reduction: int = Field(3, ge=2)
    hold_out: float = Field(0.1, gt=0, lt=1)
    seed: int = Field(0, ge=0, lt=2**31)

    @property
    def scaling(self) -> Scaling:
        """The workers of each run, however much of a CPU they have."""
        return Scaling(workers=self.workers, gpu=self.gpu)

    @model_validator(mode="after")
    def _cost_is_known(self) -> SweepConfig:
        if self.cost is not None and self.cost not in COSTS:
            raise ConfigError(f"There is no cost {self.cost!r}; there are: {', '.join(COSTS)}.")
        return self


@dataclass(frozen=True)
class Room:
    """What the cluster gives a sweep.

    Attributes:
        concurrency: trials at a time.
        cpus: that each worker reserves.
    """

    concurrency: int
    cpus: float


def room_for(sweep: SweepConfig, cluster: Mapping[str, float]) -> Room:
    """Return how many trials run at a time, and what each of their workers reserves.

    Args:
        sweep: what is asked for.
        cluster: the resources of the cluster, as Ray names them.

    Raises:
        ConfigError: not even one trial fits, or not as many as are asked for.
    """
    cpus, gpus = cluster.get("CPU", 0.0) - DATA_CPUS, cluster.get("GPU", 0.0)
    most = int((cpus + 1e-9) // (sweep.workers * LEAST_CPU + DRIVER_CPUS)) if cpus > 0 else 0
    if sweep.gpu:
        most = min(most, int(gpus // sweep.workers))
    asked = min(sweep.concurrency or 1, sweep.trials)
    if asked > most:
        needs = f"{asked * sweep.workers} GPUs" if sweep.gpu and gpus < asked * sweep.workers else "more CPUs"
        raise ConfigError(
            f"{asked} trials at a time of {sweep.workers} workers each need {needs}; the cluster has "
            f"{cluster.get('CPU', 0.0):g} CPUs, of which one is kept for data, and {gpus:g} GPUs.",
            hint=f"Set --concurrent to {most} or less." if most else "Ask for fewer workers, or add nodes.",
        )
    # A worker to a CPU, where nobody says otherwise.
    usual = max(1, min(most, int(cpus // sweep.workers)))
    concurrency = asked if sweep.concurrency else min(most if sweep.gpu else usual, sweep.trials)
    share = (cpus - concurrency * DRIVER_CPUS) / (concurrency * sweep.workers)
    return Room(concurrency, min(1.0, math.floor(100 * share + 1e-9) / 100))


def validated(
    config: RunConfig, dataset: PreparedDataset, sweep: SweepConfig, split: str | None, protocol: str | None
) -> RunConfig:
    """Return the run as its trials take it, with what they are measured on: never the test split.

    That is `split` if one is named; else the dataset's validation split, where it has a test split besides; else a
    share of what trains, held out of it.

    Raises:
        ConfigError: the split is the test's, or the run's own, or bundles are to be of the best epoch.
    """
    if config.training.bundle == "best":
        raise ConfigError(
            "training.bundle is 'best', while a sweep compares its trials by their last epoch, and bundles that.",
            hint="Leave it out; set it when training with the settings that the sweep has found.",
        )
    if split in ("test", config.split):
        raise ConfigError(
            f"A sweep cannot be measured on split {split!r}: what is chosen by a figure is not judged by it.",
            hint="Leave --validation out, and a share of the training references is held out.",
        )
    if split is None and "test" in dataset.splits:
        split = next((name for name in VALIDATION_SPLITS if name in dataset.splits and name != config.split), None)
    hold_out = config.hold_out
    if split is None:
        hold_out = hold_out or HoldOutConfig(share=sweep.hold_out, seed=sweep.seed)
    measured = ValidationConfig(split=split or HELD_OUT, protocol=protocol)
    training = config.training.model_copy(update={"validation": measured})
    return config.model_copy(update={"hold_out": hold_out, "training": training})


def judging_split(config: RunConfig, dataset: PreparedDataset) -> str:
    """Return the split on which the trial that a sweep chose is judged: it was neither trained nor chosen there.

    That is the test split, or where its targets are not public, as in FashionIQ, the one that papers report.

    Args:
        config: as `validated` returns it.
        dataset: prepared.
    """
    validation = config.training.validation
    seen = {config.split, validation.split if validation is not None else ""}
    for name in ("test", *VALIDATION_SPLITS):
        if name in dataset.splits and name not in seen and all(dataset.triplets(name)["target_id"].to_pylist()):
            return name
    return "test"


@dataclass(frozen=True)
class Measuring:
    """What the runs of a sweep are measured by.

    Attributes:
        split: whose queries.
        protocol: how they are put.
        queries: how many there are.
    """

    split: str
    protocol: Protocol
    queries: int

    @classmethod
    def of(cls, config: RunConfig, dataset: PreparedDataset) -> Measuring:
        """Return what a run is measured by.

        Raises:
            ConfigError: the run has no validation, or the dataset no such split.
            DataError: the split and the protocol do not go together, or what is held out is too little.
        """
        validation = config.training.validation
        if validation is None:
            raise ConfigError(f"Run {config.name} has no validation to be tuned by.")
        data = with_held_out(config, dataset)
        protocol, split = protocol_for(validation, data), validation.split
        return cls(split, protocol, count_queries(data, split, protocol))

    @property
    def metrics(self) -> list[str]:
        """Names of what is measured."""
        return self.protocol.metric_names
