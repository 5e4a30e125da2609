"""One trial: a run of Ray Train inside the process that Ray Tune gives it, which is the run's driver.

Its Train run is named by the run's fingerprint, so that a trial that was cut off goes on from its last checkpoint,
whichever sweep meets it next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray.train
from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback

from cirray.datasets import PreparedDataset
from cirray.errors import CirrayError, ClusterError, ConflictError, StorageError, TrainingError
from cirray.recipes import RunConfig
from cirray.storage import Artifact, Location, Root
from cirray.training import Scaling, TrainingDetails, run_fingerprint, train
from cirray.training.asides import GROUP, PARAMETERS, VALIDATION_SECONDS
from cirray.training.checkpoint import VALIDATION
from cirray.training.failures import InterruptedRunError
from cirray.tuning.domains import Value
from cirray.tuning.ledger import Ledger, Measured, Outcome, RunDetails, record_run, recorded_run
from cirray.tuning.plan import SECONDS_PER_QUERY, SweepConfig
from cirray.tuning.search import COST, EPOCH, SCORE, settled
from cirray.tuning.space import Dial, turned

HISTORY = "history"
"""Under which a report has all that was measured so far."""


@dataclass(frozen=True)
class Job:
    """What all trials of a sweep have in common.

    Attributes:
        root: under which everything lives.
        dataset: place of the prepared dataset.
        ledger: place of the sweep's ledger.
        config: of the run before its dials are turned.
        dials: of the sweep, by name.
        sweep: how it searches.
        queries: that each run is measured on.
        cpus: that each worker reserves; None for what one has where it is alone.
    """

    root: Location
    dataset: Location
    ledger: Location
    config: RunConfig
    dials: dict[str, Dial]
    sweep: SweepConfig
    queries: int
    cpus: float | None = None

    @property
    def scaling(self) -> Scaling:
        """The workers of each run."""
        return self.sweep.scaling.model_copy(update={"cpus": self.cpus})

    def run_of(self, values: dict[str, Value], dataset: PreparedDataset) -> tuple[RunConfig, str]:
        """Return the run of a trial, and its fingerprint."""
        config = turned(self.config, self.dials, settled(self.dials, values))
        return config, run_fingerprint(config, dataset, self.scaling)


def run_trial(values: dict[str, Value], job: Job) -> None:
    """Train with the dials turned to `values`, and report every epoch to Ray Tune.

    An error of cirray that another try would meet again is the trial's outcome.
    """
    dataset = PreparedDataset(Artifact.open(job.dataset, "dataset"))
    config, run = job.run_of(values, dataset)
    try:
        _run(job, config, run, dataset)
    except (StorageError, ClusterError, ConflictError, InterruptedRunError):
        raise
    except CirrayError as error:
        Ledger(job.ledger).end(run, Outcome(ended="failed", reason=str(error)))
        raise


def _run(job: Job, config: RunConfig, run: str, dataset: PreparedDataset) -> None:
    root, ledger = Root(job.root), Ledger(job.ledger)
    if known := ledger.outcome(run):
        # The search came upon the same values twice.
        _tell_again(known, job.sweep)
        return
    found = recorded_run(root, config.name, run)
    history = found.history if found else ()
    for reached in range(1, len(history) + 1):
        # Told again one by one, so that the scheduler judges the run as it would a new one.
        tune.report(_told(history[:reached], job.sweep))
    if found is None or not found.model:
        found = _trained(job, config, dataset, history)
        record_run(root, config.name, run, found, config.model_dump(mode="json"))
    ledger.end(run, Outcome(ended="finished", history=found.history, model=found.model))
    tune.report(_told(found.history, job.sweep))


def _tell_again(known: Outcome, sweep: SweepConfig) -> None:
    if not known.history:
        raise TrainingError(known.reason)
    tune.report(_told(known.history, sweep))


def _trained(job: Job, config: RunConfig, dataset: PreparedDataset, known: Sequence[Measured]) -> RunDetails:
    bundle, _ = train(
        Root(job.root), config, dataset, job.scaling, callbacks=[Reports(job.sweep, job.queries, known)], latest=False
    )
    epochs, parameters = bundle.details(TrainingDetails).history, bundle.manifest.counts[PARAMETERS]
    history = tuple(
        measured(epoch.epoch, epoch.validation, parameters, epoch.validation_seconds / job.queries)
        for epoch in epochs
        if epoch.validation
    )
    return RunDetails(history=history, model=f"{bundle.manifest.name}@{bundle.version}")


class Reports(ray.train.UserCallback):
    """Hands what was measured after an epoch on to Ray Tune. To be made in the trial's process.

    Args:
        sweep: whose metric and cost count.
        queries: that are measured.
        known: what was measured before, by whoever began the run.
    """

    def __init__(self, sweep: SweepConfig, queries: int, known: Sequence[Measured]) -> None:
        self._tune = TuneReportCallback()
        self._sweep, self._queries = sweep, queries
        self._history = list(known)

    def after_report(
        self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: ray.train.Checkpoint | None
    ) -> None:
        """Report an epoch that was validated; a checkpoint within one says nothing that a trial is judged by."""
        first = metrics[0]
        found = {key.removeprefix(VALIDATION): value for key, value in first.items() if key.startswith(VALIDATION)}
        if not found or (self._history and first[EPOCH] <= self._history[-1][EPOCH]):
            return
        seconds = first[VALIDATION_SECONDS] / self._queries
        self._history.append(measured(first[EPOCH], found, first[PARAMETERS], seconds))
        self._tune.after_report(run_context, [{**_told(self._history, self._sweep), GROUP: first[GROUP]}], None)


def measured(epoch: int, metrics: Mapping[str, float], parameters: int, seconds_per_query: float) -> Measured:
    """Return all that a trial can be judged by after an epoch."""
    return {EPOCH: float(epoch), **metrics, PARAMETERS: float(parameters), SECONDS_PER_QUERY: seconds_per_query}


def _told(history: Sequence[Measured], sweep: SweepConfig) -> dict[str, Any]:
    last = history[-1]
    report = {EPOCH: int(last[EPOCH]), SCORE: last[sweep.metric], HISTORY: [dict(each) for each in history]}
    return {**report, COST: last[sweep.cost]} if sweep.cost else report
