"""Validation between epochs: when it is made, what it stops, and what it tells the schedule."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirray.composers import Retriever
from cirray.config import from_mapping
from cirray.errors import ConfigError
from cirray.objectives import Batch, LossConfig, losses
from cirray.recipes import RunConfig, TrainingConfig, ValidationConfig
from cirray.training.data import TrainingData
from cirray.training.loop import fit
from cirray.training.progress import EpochReport, Progress
from cirray.training.stopping import best_epoch, stops_early
from cirray.training.trainee import Trainee
from cirray.training.world import CPU, World
from tests.small_models import VOCABULARY, small_batch, small_config

ROWS = 6


def report(epoch: int, score: float | None) -> EpochReport:
    return EpochReport(
        epoch=epoch,
        losses={"total": 1.0},
        learning_rate=0.1,
        gradient_norm=1.0,
        seconds=1.0,
        triplets_per_s=1.0,
        waiting=0.0,
        validation={} if score is None else {"mean": score},
    )


@given(
    scores=st.lists(st.none() | st.integers(0, 5).map(float), max_size=12),
    patience=st.integers(1, 4),
    delta=st.sampled_from([0.0, 1.0]),
)
def test_it_stops_where_a_loop_says_so(scores: list[float | None], patience: int, delta: float) -> None:
    history = [report(number, score) for number, score in enumerate(scores, 1)]
    seen = [score for score in scores if score is not None]
    best, waited = -1e9, 0
    for score in seen:
        waited = 0 if score > best + delta else waited + 1
        best = max(best, score) if waited == 0 else best
    config = ValidationConfig(patience=patience, min_delta=delta)
    assert stops_early(config, history) is (waited >= patience)
    assert not stops_early(ValidationConfig(), history)
    assert not stops_early(None, history)
    found = best_epoch(config, history)
    assert (found is None) is (not seen)
    assert found is None or found.validation["mean"] == max(seen)


class OneStep:
    """Training data of one batch."""

    steps = 1
    pixels = SimpleNamespace(kind="cache")

    def batches(self, epoch: int, first_step: int, world: World) -> Iterator[Batch]:
        yield small_batch(ROWS)


def run_of(validation: ValidationConfig, **settings: object) -> RunConfig:
    loss: LossConfig = from_mapping(losses["batch-classification"].Config, {"name": "batch-classification"})
    values = {"epochs": 8, "batch_size": ROWS, "warmup": 0.0, "schedule": "constant", **settings}
    training = TrainingConfig.model_validate({**values, "validation": validation})
    return RunConfig(
        name="x", dataset="x", model=small_config("tirg-last-conv"), objective={"only": loss}, training=training
    )


class Judge:
    """Gives out scores in turn, and sees what it is asked about."""

    def __init__(self, *scores: float) -> None:
        self.scores, self.models = iter(scores), list[Retriever]()

    def __call__(self, model: Retriever) -> dict[str, float]:
        assert not model.training
        self.models.append(model)
        return {"mean": next(self.scores), "R@1": 1.0}


def fitted(run: RunConfig, judge: Judge, progress: Progress | None = None) -> tuple[Progress, Trainee]:
    learner = Trainee.build(run, VOCABULARY, 1, CPU)
    return fit(run, cast(TrainingData, OneStep()), learner, validate=judge, progress=progress), learner


def test_training_ends_when_validations_bring_nothing_new_and_stays_ended() -> None:
    run = run_of(ValidationConfig(patience=2, min_delta=0.5))
    progress, learner = fitted(run, Judge(10, 20, 20.4, 20.2))
    assert [each.validation["mean"] for each in progress.history] == [10, 20, 20.4, 20.2]
    assert all(each.validation_seconds > 0 for each in progress.history)
    assert learner.step.training is False, "the last thing was a validation"
    again, _ = fitted(run, Judge(), progress)
    assert again == progress


def test_it_is_made_every_so_many_epochs_and_after_the_last() -> None:
    progress, _ = fitted(run_of(ValidationConfig(every=3)), Judge(1, 2, 3))
    assert [each.epoch for each in progress.history if each.validation] == [3, 6, 8]


def test_the_average_is_what_is_validated() -> None:
    judge = Judge(1, 2)
    _, learner = fitted(run_of(ValidationConfig(every=4), ema_decay=0.5), judge)
    assert learner.average is not None
    assert judge.models == [learner.average.model] * 2


def test_plateaus_follow_the_metric() -> None:
    run = run_of(ValidationConfig(), schedule="plateau", plateau_patience=1, decay=0.5, learning_rate=0.01)
    progress, _ = fitted(run, Judge(5, 6, 6, 6, 7, 7, 7, 7))
    rates = [each.learning_rates["rest"] / 0.01 for each in progress.history]
    assert rates == pytest.approx([1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25]), "reported before the epoch's own metric is seen"


def test_a_metric_that_there_is_not_and_a_validation_without_a_judge_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"'R@7'; .* R@1, mean"):
        fitted(run_of(ValidationConfig(metric="R@7")), Judge(1, 2))
    run = run_of(ValidationConfig())
    with pytest.raises(ConfigError, match="validates"):
        fit(run, cast(TrainingData, OneStep()), Trainee.build(run, VOCABULARY, 1, CPU))
