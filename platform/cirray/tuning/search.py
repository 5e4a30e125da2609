"""The searcher and the scheduler of a sweep, as if it had never been interrupted.

Optuna proposes values (tree-structured Parzen estimators), asynchronous successive halving (ASHA) stops trials that
lag behind. Both are made anew by each driver and told what the ledger knows, so that nothing has to be unpickled.
Population based training is left out: it copies checkpoints from trial to trial, and a trial that is a run of Ray
Train has none that Ray Tune could copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from cirray.tuning.domains import Integer, LogUniform, OneOf, Range, Uniform, Value, rounded
from cirray.tuning.ledger import Trial
from cirray.tuning.plan import SweepConfig
from cirray.tuning.space import Dial

SCORE, COST, EPOCH = "score", "cost", "epoch"
"""What trials report to Ray Tune: the validation metric, the cost, and the epoch, from 1."""

STUDY = "sweep"


def distribution(domain: Range) -> BaseDistribution:
    """Return a domain as Optuna has it."""
    if isinstance(domain, OneOf):
        return CategoricalDistribution(domain.values)
    if isinstance(domain, Integer):
        return IntDistribution(domain.low, domain.high)
    return FloatDistribution(domain.low, domain.high, log=isinstance(domain, LogUniform))


def settled(dials: Mapping[str, Dial], values: Mapping[str, Value]) -> dict[str, Value]:
    """Return proposed values as trials take them: numbers with few digits, within their ranges."""
    return {name: _settled(dials[name].domain, value) for name, value in values.items()}


def _settled(domain: Range, value: Value) -> Value:
    if isinstance(domain, (Uniform, LogUniform)):
        return min(max(rounded(float(value or 0.0)), domain.low), domain.high)
    return value


def study_of(
    dials: Mapping[str, Dial], trials: Sequence[Trial], sweep: SweepConfig, storage: Any = None
) -> optuna.Study:
    """Return an Optuna study that knows how the trials ended.

    Args:
        dials: of the sweep, by name.
        trials: of which those without an outcome are left out.
        sweep: its metric and cost.
        storage: of Optuna's, to keep the study in.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions = [StudyDirection.MAXIMIZE, *([StudyDirection.MINIMIZE] if sweep.cost else [])]
    study = optuna.create_study(storage=storage, study_name=STUDY, directions=directions)
    distributions = {name: distribution(dial.domain) for name, dial in dials.items()}
    study.add_trials([_frozen(trial, distributions, sweep) for trial in trials if trial.outcome is not None])
    return study


def _frozen(trial: Trial, distributions: dict[str, BaseDistribution], sweep: SweepConfig) -> FrozenTrial:
    values = objectives(trial, sweep)
    return create_trial(
        state=TrialState.COMPLETE if values else TrialState.FAIL,
        values=values,
        params=dict(trial.begun.values),
        distributions=distributions,
    )


def objectives(trial: Trial, sweep: SweepConfig) -> list[float] | None:
    """Return the score of a trial after its last epoch, and its cost where that counts; None if it has none."""
    if trial.outcome is None or trial.outcome.ended == "failed" or not trial.outcome.history:
        return None
    last = trial.outcome.history[-1]
    return [last[sweep.metric], *([last[sweep.cost]] if sweep.cost else [])]


def searcher(dials: Mapping[str, Dial], trials: Sequence[Trial], sweep: SweepConfig) -> OptunaSearch:
    """Return the searcher: what was begun without an end comes first again, in a new sweep the recipe's own values.

    The sampler's seed follows from how many trials have ended: with that of the first driver, a second one would draw
    the same values again.
    """
    storage = optuna.storages.InMemoryStorage()
    study = study_of(dials, trials, sweep, storage)
    pending = [trial.begun.values for trial in trials if trial.outcome is None]
    if not trials:
        pending = [{name: dial.default for name, dial in dials.items()}]
    for values in pending:
        study.enqueue_trial(dict(values))
    ended = len(trials) - sum(trial.outcome is None for trial in trials)
    startup = max(3, min(10, sweep.trials // 3))
    return OptunaSearch(
        {name: distribution(dial.domain) for name, dial in dials.items()},
        metric=[SCORE, COST] if sweep.cost else SCORE,
        mode=["max", "min"] if sweep.cost else "max",
        sampler=optuna.samplers.TPESampler(seed=sweep.seed + ended, n_startup_trials=startup),
        study_name=STUDY,
        storage=storage,
    )


def scheduler(trials: Sequence[Trial], sweep: SweepConfig, epochs: int) -> TrialScheduler:
    """Return the scheduler, which knows what earlier trials had reached at each rung.

    No rung is at the last epoch: a trial that gets there writes its bundle.
    """
    if not sweep.early_stopping or epochs <= sweep.grace_epochs:
        return FIFOScheduler()
    asha = AsyncHyperBandScheduler(
        time_attr=EPOCH,
        metric=SCORE,
        mode="max",
        max_t=epochs - 1,
        grace_period=sweep.grace_epochs,
        reduction_factor=sweep.reduction,
        stop_last_trials=False,
    )
    for trial in trials:
        if trial.outcome is not None and trial.outcome.ended != "failed":
            _tell(asha, trial, sweep)
    return asha


def _tell(asha: AsyncHyperBandScheduler, trial: Trial, sweep: SweepConfig) -> None:
    """Let the scheduler hear again what a trial of an earlier driver reported."""
    heard: Any = SimpleNamespace(trial_id=f"earlier-{trial.begun.number}")
    controller: Any = None  # ASHA asks nothing of it
    asha.on_trial_add(controller, heard)
    for measured in trial.outcome.history if trial.outcome else ():
        asha.on_trial_result(controller, heard, {EPOCH: int(measured[EPOCH]), SCORE: measured[sweep.metric]})
    asha.on_trial_remove(controller, heard)
