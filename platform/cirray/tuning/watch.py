"""What the driver of a sweep hears from its trials, and writes down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ray import tune

from cirray.datasets import PreparedDataset
from cirray.storage import Root
from cirray.training.asides import GROUP
from cirray.tuning.holding import give_back
from cirray.tuning.ledger import Begun, Ledger, Outcome, RunDetails, Trial, record_run
from cirray.tuning.search import EPOCH, settled
from cirray.tuning.trial import HISTORY, Job

Told = Callable[[int, int, str], None]
"""Called with (trials that have ended, trials in all, a note)."""


class Watch(tune.Callback):
    """Keeps the ledger of a sweep while Ray Tune runs it.

    Args:
        job: of the sweep.
        dataset: prepared.
        trials: that were begun before.
        told: hears how far the sweep is.
        check: raises where the sweep is not this driver's any more.
    """

    def __init__(
        self, job: Job, dataset: PreparedDataset, trials: list[Trial], told: Told, check: Callable[[], None]
    ) -> None:
        self._job = job
        self._dataset = dataset
        self._ledger = Ledger(job.ledger)
        self._told = told
        self._check = check
        self._interrupted = [trial.begun.run for trial in trials if trial.outcome is None]
        self._ended = len(trials) - len(self._interrupted)
        self._next = 1 + max((trial.begun.number for trial in trials), default=-1)
        self._runs: dict[str, str] = {}
        self._histories: dict[str, list[dict[str, float]]] = {}
        self._groups: dict[str, str] = {}
        self._best = max(_last_scores(trials, job.sweep.metric), default=None)
        self.broken: dict[str, str] = {}
        """Trials that ended by what is not their own fault: the reason of each run; they are begun, and not ended."""

    def __reduce__(self) -> tuple[type[tune.Callback], tuple[()]]:
        # Ray Tune pickles its callbacks to restore an experiment, which sweeps never do.
        return tune.Callback, ()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Write down that the trial begins.

        Raises:
            TrainingError: another driver has taken the sweep over.
        """
        self._check()
        values = settled(self._job.dials, trial.config)
        _, run = self._job.run_of(trial.config, self._dataset)
        self._runs[trial.trial_id] = run
        if run in self._interrupted:
            self._interrupted.remove(run)
        else:
            self._ledger.begin(Begun(number=self._next, values=values, run=run))
            self._next += 1
        self._tell()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Keep what was measured so far."""
        if result.get(GROUP):
            self._groups[trial.trial_id] = result[GROUP]
        if HISTORY in result:
            self._histories[trial.trial_id] = result[HISTORY]
            score = result[HISTORY][-1][self._job.sweep.metric]
            self._best = score if self._best is None else max(self._best, score)
            self._tell()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Write down how the trial ended: one that did not do so itself was stopped."""
        run, history = self._runs[trial.trial_id], self._histories.get(trial.trial_id)
        if history and self._ledger.outcome(run) is None:
            config, _ = self._job.run_of(trial.config, self._dataset)
            if int(history[-1][EPOCH]) < config.training.epochs:
                details = RunDetails(history=tuple(history))
                record_run(Root(self._job.root), config.name, run, details, config.model_dump(mode="json"))
                self._ledger.end(run, Outcome(ended="stopped", history=details.history))
        self._end(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Note what broke the trial; a failure of its own it has written down itself."""
        run = self._runs.get(trial.trial_id, trial.trial_id)
        if self._ledger.outcome(run) is None:
            lines = str(trial.get_error() or "its process died").strip().splitlines()
            self.broken[run] = lines[-1].strip()
        self._end(trial)

    def _end(self, trial: Any) -> None:
        if group := self._groups.pop(trial.trial_id, None):
            give_back(group)
        self._ended += 1
        self._tell()

    def _tell(self) -> None:
        best = "" if self._best is None else f"best {self._job.sweep.metric} {self._best:.2f}"
        self._told(min(self._ended, self._job.sweep.trials), self._job.sweep.trials, best)


def _last_scores(trials: list[Trial], metric: str) -> Iterator[float]:
    for trial in trials:
        if trial.outcome is not None and trial.outcome.history:
            yield trial.outcome.history[-1][metric]
