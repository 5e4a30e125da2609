"""What a sweep came to: the best of its trials, those that nothing beats at their cost, and which dials mattered."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna

from cirray.recipes import recipes
from cirray.tuning.domains import Value
from cirray.tuning.ledger import Trial
from cirray.tuning.search import EPOCH, objectives, study_of
from cirray.tuning.space import turned
from cirray.tuning.sweep import Sweep

MIN_TRIALS = 4
"""Below this no importance is told: any dial would seem to explain a few scores."""


@dataclass(frozen=True)
class Row:
    """One trial as the table has it.

    Attributes:
        number: from 0.
        ended: "finished", "stopped", "failed", or "begun" where it has not ended.
        score: after its last epoch; None if nothing was measured.
        cost: likewise, where the sweep has one.
        epochs: that it took.
        values: of its dials.
        model: its bundle, if it finished.
        reason: why it failed.
        defaults: whether its values are the recipe's own.
        efficient: whether it finished, and no finished trial is better in one respect and no worse in the other.
    """

    number: int
    ended: str
    score: float | None
    cost: float | None
    epochs: int
    values: dict[str, Value]
    model: str
    reason: str
    defaults: bool
    efficient: bool


def rows_of(sweep: Sweep) -> list[Row]:
    """Return the trials of a sweep, best first; those that ended early come after those that finished."""
    finished = [trial for trial in sweep.trials if trial.outcome is not None and trial.outcome.ended == "finished"]
    front = {trial.begun.number for trial in _efficient(finished, sweep)}
    rows = [_row(trial, sweep, trial.begun.number in front) for trial in sweep.trials]
    return sorted(rows, key=lambda row: (row.ended != "finished", math.inf if row.score is None else -row.score))


def best_of(sweep: Sweep) -> Row | None:
    """Return the finished trial with the highest score, or None where none has finished."""
    rows = rows_of(sweep)
    return rows[0] if rows and rows[0].ended == "finished" else None


def importances(sweep: Sweep) -> dict[str, float]:
    """Return how much of the difference between good and other trials each dial explains, most first; they sum to 1.

    By PED-ANOVA (Watanabe et al., IJCAI 2023), which needs no forest of trees and so no further library. Empty where
    there are too few trials, or all came to the same.
    """
    alone = sweep.settings.model_copy(update={"cost": None})
    scored = [trial for trial in sweep.trials if objectives(trial, alone)]
    if len(scored) < MIN_TRIALS or len({tuple(objectives(trial, alone) or ()) for trial in scored}) < 2:
        return {}
    # The score alone, by the study's direction: of a target that it is given, the evaluator seeks the low values.
    found = optuna.importance.get_param_importances(
        study_of(sweep.dials, scored, alone), evaluator=optuna.importance.PedAnovaImportanceEvaluator()
    )
    return {name: float(share) for name, share in found.items() if math.isfinite(share)}


def summary_of(sweep: Sweep) -> dict[str, Any]:
    """Return the results of a sweep for programs."""
    best = best_of(sweep)
    return {
        "sweep": sweep.identity,
        "recipe": sweep.config.name,
        "dataset": sweep.config.dataset,
        "validation": sweep.measuring.split,
        "protocol": sweep.measuring.protocol.name,
        "metric": sweep.settings.metric,
        "cost": sweep.settings.cost,
        "dials": {name: [*dial.paths] for name, dial in sweep.dials.items()},
        "best": _plain(best, sweep) if best else None,
        "trials": [_plain(row, sweep) for row in rows_of(sweep)],
        "importances": importances(sweep),
        "report": f"{sweep.ledger.place.uri}/report.html",
    }


def commands_for(best: Row, sweep: Sweep) -> list[str]:
    """Return what to do with the best trial: promote its bundle, or train its settings on all of the split.

    A promotion measures the bundle where nobody has yet, on a split that the sweep did not look at.
    """
    own = recipes[sweep.config.name]().model_dump(mode="json")
    run = turned(sweep.config, sweep.dials, best.values).model_dump(mode="json")
    for tree in (own, run):
        # On all of the split, and measured by whoever evaluates it.
        tree.pop("hold_out")
        tree["training"].pop("validation")
    sets = " ".join(f"--set {shlex.quote(f'{path}={_word(value)}')}" for path, value in _changes(own, run))
    where = f"--root {shlex.quote(sweep.root.uri)}"
    validation = sweep.config.training.validation
    split = f" --split {sweep.judged_on}" if sweep.judged_on != "test" else ""
    protocol = f" --protocol {validation.protocol}" if validation is not None and validation.protocol else ""
    return [
        f"cirray models promote {best.model} {where}{split}{protocol}",
        f"cirray train --recipe {sweep.config.name} --dataset {sweep.config.dataset} "
        f"--workers {sweep.settings.workers} {where} {sets}",
    ]


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of each setting that is not what it was."""
    for name, value in after.items():
        if isinstance(value, Mapping) and isinstance(before.get(name), Mapping):
            yield from _changes(before[name], value, f"{inside}{name}.")
        elif name not in before or before[name] != value:
            yield f"{inside}{name}", value


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _row(trial: Trial, sweep: Sweep, efficient: bool) -> Row:
    outcome, values = trial.outcome, objectives(trial, sweep.settings)
    history = outcome.history if outcome else ()
    return Row(
        number=trial.begun.number,
        ended=outcome.ended if outcome else "begun",
        score=values[0] if values else None,
        cost=values[1] if values and sweep.settings.cost else None,
        epochs=int(history[-1][EPOCH]) if history else 0,
        values=dict(trial.begun.values),
        model=outcome.model if outcome else "",
        reason=outcome.reason if outcome else "",
        defaults=all(trial.begun.values.get(name) == dial.default for name, dial in sweep.dials.items()),
        efficient=efficient,
    )


def _plain(row: Row, sweep: Sweep) -> dict[str, Any]:
    commands = commands_for(row, sweep) if row.model else []
    return {**row.__dict__, "commands": commands}


def _efficient(trials: Sequence[Trial], sweep: Sweep) -> list[Trial]:
    points = [(trial, objectives(trial, sweep.settings)) for trial in trials]
    known = [(trial, values[0], values[1] if len(values) > 1 else 0.0) for trial, values in points if values]
    return [
        trial
        for trial, score, cost in known
        if not any(s >= score and c <= cost and (s > score or c < cost) for _, s, c in known)
    ]
