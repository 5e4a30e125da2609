"""The searcher and the scheduler of a sweep that goes on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

from cirray.tuning import Dial, Integer, LogUniform, OneOf
from cirray.tuning.domains import Value
from cirray.tuning.ledger import Begun, Outcome, Trial
from cirray.tuning.plan import SweepConfig
from cirray.tuning.search import EPOCH, SCORE, scheduler, searcher, settled, study_of

DIALS = {
    "training.learning_rate": Dial(("training.learning_rate",), LogUniform(low=1e-4, high=1e-1), 1e-3),
    "model.composer.blocks": Dial(("model.composer.blocks",), Integer(low=1, high=4), 2),
    "model.composer.coordinates": Dial(("model.composer.coordinates",), OneOf(values=(False, True)), False),
}
DEFAULTS: dict[str, Value] = {name: dial.default for name, dial in DIALS.items()}
SWEEP = SweepConfig(metric="R@1", trials=12)


def trial(number: int, *scores: float, ended: Any = "finished", blocks: int = 1) -> Trial:
    values: dict[str, Value] = {**DEFAULTS, "model.composer.blocks": blocks}
    history = tuple(
        {"epoch": float(epoch), "R@1": score, "parameters": 10.0 * blocks} for epoch, score in enumerate(scores, 1)
    )
    outcome = Outcome(ended=ended, history=history) if ended != "begun" else None
    return Trial(begun=Begun(number=number, values=values, run=f"{number:064x}"), outcome=outcome)


def suggested(trials: list[Trial], sweep: SweepConfig, count: int) -> list[dict[str, Value]]:
    found = searcher(DIALS, trials, sweep)
    return [dict(found.suggest(f"t{number}") or {}) for number in range(count)]


def test_a_new_sweep_begins_with_the_recipes_own_values() -> None:
    first, second = suggested([], SWEEP, 2)
    assert first == DEFAULTS
    assert second != DEFAULTS
    assert all(DIALS[name].domain.holds(value) for name, value in settled(DIALS, second).items())


def test_a_sweep_that_goes_on_first_takes_up_what_had_not_ended() -> None:
    trials = [trial(0, 1.0, 2.0), trial(1, ended="begun", blocks=4), trial(2, ended="begun", blocks=3)]
    found = suggested(trials, SWEEP, 3)
    assert [each["model.composer.blocks"] for each in found[:2]] == [4, 3]
    assert DEFAULTS not in found


def test_a_driver_does_not_draw_what_the_one_before_it_drew() -> None:
    before = suggested([], SWEEP, 4)[1:]
    ended = [trial(number, 1.0) for number in range(4)]
    assert not any(each in before for each in suggested(ended, SWEEP, 3))
    assert suggested(ended, SWEEP, 3) == suggested(ended, SWEEP, 3)


def test_what_is_drawn_leans_to_what_was_good() -> None:
    # Three blocks were good and others bad: of what is drawn next far more than a quarter has three.
    ended = [trial(number, 90.0 if number % 4 == 2 else 1.0, blocks=1 + number % 4) for number in range(40)]
    found = [each["model.composer.blocks"] for each in suggested(ended, SWEEP, 20)]
    assert found.count(3) > 7


def test_several_objectives_and_failures_are_told_to_the_study() -> None:
    sweep = SWEEP.model_copy(update={"cost": "parameters"})
    study = study_of(DIALS, [trial(0, 5.0, 7.0, blocks=2), trial(1, ended="failed"), trial(2, ended="begun")], sweep)
    assert [each.values for each in study.trials] == [[7.0, 20.0], None]
    assert suggested([trial(0, 5.0)], sweep, 1)


def heard(asha: TrialScheduler, epoch: int, score: float) -> str:
    told: Any = SimpleNamespace(trial_id="new")
    nobody: Any = None
    if epoch == 1:
        asha.on_trial_add(nobody, told)
    return asha.on_trial_result(nobody, told, {EPOCH: epoch, SCORE: score})


@pytest.mark.parametrize(("score", "decision"), [(2.0, TrialScheduler.STOP), (9.5, TrialScheduler.CONTINUE)])
def test_a_trial_is_judged_against_those_of_earlier_drivers(score: float, decision: str) -> None:
    earlier = [trial(number, float(number), ended="stopped") for number in range(1, 10)]
    assert heard(scheduler(earlier, SWEEP, epochs=9), 1, score) == decision
    assert heard(scheduler([], SWEEP, epochs=9), 1, score) == TrialScheduler.CONTINUE


@pytest.mark.parametrize("epochs", [2, 3, 4, 9, 10, 27])
def test_nobody_is_stopped_at_the_last_epoch_where_the_bundle_is_written(epochs: int) -> None:
    best = [trial(number, *[50.0] * epochs) for number in range(5)]
    asha = scheduler(best, SWEEP, epochs)
    assert isinstance(asha, AsyncHyperBandScheduler)
    assert [heard(asha, epoch, 50.0) for epoch in range(1, epochs)] == [TrialScheduler.CONTINUE] * (epochs - 1)
    assert heard(asha, epochs, 0.0) == TrialScheduler.CONTINUE


def test_nothing_is_stopped_where_nobody_wants_it_or_there_is_no_time() -> None:
    assert isinstance(scheduler([], SWEEP.model_copy(update={"early_stopping": False}), 9), FIFOScheduler)
    assert isinstance(scheduler([], SWEEP, 1), FIFOScheduler)
