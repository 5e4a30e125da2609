"""Sweeps: many runs of one recipe with its dials turned, by Ray Tune."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import ray
from ray import tune

from cirray.cluster import ray_cluster
from cirray.datasets import PreparedDataset
from cirray.errors import ConfigError, TrainingError
from cirray.recipes import RunConfig
from cirray.storage import Root, fingerprint
from cirray.storage.lease import lease
from cirray.training import run_fingerprint
from cirray.training.checks import check_run
from cirray.training.data import make_sampler
from cirray.training.distributed import LEASE
from cirray.training.worker import Claim
from cirray.tuning.holding import giving_back
from cirray.tuning.ledger import Ledger, Trial
from cirray.tuning.plan import DRIVER_CPUS, Measuring, Room, SweepConfig, judging_split, room_for
from cirray.tuning.search import scheduler, searcher
from cirray.tuning.space import Dial, Space, dials_of
from cirray.tuning.trial import Job, run_trial
from cirray.tuning.watch import Told, Watch

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sweep:
    """A sweep that is over.

    Attributes:
        root: under which its bundles are.
        identity: its fingerprint.
        config: of its runs, before their dials are turned.
        dials: by name.
        settings: how it searched.
        measuring: what its runs were measured by.
        trials: in the order in which they began.
        ledger: what it left.
        judged_on: split on which a promotion should judge the best of them.
    """

    root: Root
    identity: str
    config: RunConfig
    dials: dict[str, Dial]
    settings: SweepConfig
    measuring: Measuring
    trials: list[Trial]
    ledger: Ledger
    judged_on: str = "test"


def sweep_fingerprint(
    config: RunConfig, dataset: PreparedDataset, dials: Mapping[str, Dial], settings: SweepConfig
) -> str:
    """Return the fingerprint of what a sweep searches, and how; not of how many trials, nor how many at a time."""
    return fingerprint(
        {
            "run": run_fingerprint(config, dataset, settings.scaling),
            "dials": {name: [dial.paths, dial.domain.model_dump(mode="json")] for name, dial in dials.items()},
            "settings": settings.model_dump(mode="json", exclude={"trials", "concurrency"}),
        }
    )


def run_sweep(
    root: Root,
    config: RunConfig,
    dataset: PreparedDataset,
    space: Space,
    settings: SweepConfig,
    told: Told = lambda done, total, note: None,
    say: Callable[[str], None] = _LOG.warning,
) -> Sweep:
    """Search a space, or go on with a search that was interrupted; what has been trained is not trained again.

    One driver at a time works on a sweep. One that is over is told again, whoever else is there.

    Args:
        root: where everything goes.
        config: of the runs, with a validation; the dataset that it names gives way to `dataset`.
        dataset: prepared.
        space: whose dials are turned.
        settings: how it is searched.
        told: hears how far the sweep is.
        say: hears why this waits, where it does.

    Raises:
        ConfigError: space, metric, validation, batch, model or cluster do not fit, which is found before anything
            runs.
        ClusterError: Ray cannot be reached or started.
        ConflictError: another process works on this very sweep.
        DataError: the data is not what the runs need.
        StorageError: the root cannot be written.
        TrainingError: trials broke by what is not their own fault; the same call tries them again.
    """
    config = config.model_copy(update={"dataset": dataset.name})
    dials = dials_of(space, config)
    # First, and whatever the batch: where the sampler can make nothing of a dataset, nothing can be held out either.
    make_sampler(config, dataset).steps(1)
    measuring = Measuring.of(config, dataset)
    _check_metric(settings, measuring)
    identity = sweep_fingerprint(config, dataset, dials, settings)
    ledger = Ledger.of(root, config.name, identity)
    if _ended(ledger.trials()) < settings.trials:
        check_run(config, dataset, settings.scaling)
        job = Job(root.place, dataset.artifact.place, ledger.place, config, dials, settings, measuring.queries)
        with lease(ledger.place / LEASE, say=say) as owner:
            _search(job, dataset, Claim(ledger.place / LEASE, owner), told)
    judged_on = judging_split(config, dataset)
    return Sweep(root, identity, config, dials, settings, measuring, ledger.trials(), ledger, judged_on)


def _check_metric(settings: SweepConfig, measuring: Measuring) -> None:
    if settings.metric not in measuring.metrics:
        raise ConfigError(
            f"Protocol {measuring.protocol.name!r} has no metric {settings.metric!r}; there are: "
            f"{', '.join(measuring.metrics)}."
        )


def _search(job: Job, dataset: PreparedDataset, claim: Claim, told: Told) -> None:
    # Read only now: until the lease was ours, another driver may have gone on.
    trials = Ledger(job.ledger).trials()
    if _ended(trials) >= job.sweep.trials:
        return
    # No result files and pictures of Ray Tune's own beside the ledger.
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    with ray_cluster(dashboard=True):
        room = room_for(job.sweep, ray.cluster_resources())
        watch = Watch(job, dataset, trials, told, claim.check)
        # Ray Tune's own notes, which nothing reads: a sweep goes on from its ledger.
        name = f"sweep--{job.config.name.replace('/', '--')}-{job.ledger.path.rsplit('/', 1)[-1]}"
        notes = Root(job.root).runs() / name
        notes.delete()
        with giving_back():
            _tuner(name, replace(job, cpus=room.cpus), room, trials, watch).fit()
        notes.delete()
    # What broke may have ended meanwhile as another trial, which had come upon the same values.
    broken = [reason for run, reason in watch.broken.items() if Ledger(job.ledger).outcome(run) is None]
    if broken:
        reasons = "; ".join(sorted(set(broken)))
        raise TrainingError(
            f"{len(broken)} of the trials broke: {reasons}.", hint="Run the same command again to go on."
        )


def _tuner(name: str, job: Job, room: Room, trials: list[Trial], watch: Watch) -> tune.Tuner:
    runs = Root(job.root).runs()
    return tune.Tuner(
        tune.with_resources(tune.with_parameters(run_trial, job=job), {"CPU": DRIVER_CPUS}),
        tune_config=tune.TuneConfig(
            num_samples=job.sweep.trials - _ended(trials),
            max_concurrent_trials=room.concurrency,
            search_alg=searcher(job.dials, trials, job.sweep),
            scheduler=scheduler(trials, job.sweep, job.config.training.epochs),
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=runs.path,
            storage_filesystem=runs.filesystem,
            callbacks=[watch],
            verbose=0,
        ),
    )


def _ended(trials: list[Trial]) -> int:
    return sum(trial.outcome is not None for trial in trials)
