"""Runs that go wrong: when it is noticed, and what is kept of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import safetensors.torch
import torch

from cirray.composers import ModelConfig
from cirray.config import from_mapping
from cirray.errors import TrainingError
from cirray.objectives import Batch, LossConfig, LossValue, Objective, View, losses
from cirray.recipes import RunConfig, TrainingConfig
from cirray.storage import Location
from cirray.training.data import TrainingData
from cirray.training.divergence import FLOOR, DivergenceWatch
from cirray.training.inspection import ExampleNote
from cirray.training.loop import fit
from cirray.training.trainee import Trainee
from cirray.training.world import CPU, World
from tests.small_models import VOCABULARY, small_batch, small_config

ROWS, STEPS = 6, 8


def first_alarm(values: list[float], factor: float, patience: int) -> int | None:
    watch = DivergenceWatch(factor, patience)
    for step, value in enumerate(values):
        try:
            watch.see(value, ("only",), 0, step)
        except TrainingError:
            return step
    return None


def naive_alarm(values: list[float], factor: float, patience: int) -> int | None:
    for step in range(len(values)):
        last = range(step - patience + 1, step + 1)
        if last[0] >= 0 and all(values[n] > factor * max(min(values[: n + 1]), FLOOR * values[0]) for n in last):
            return step
    return None


@pytest.mark.parametrize("patience", [1, 2, 4])
def test_the_alarm_comes_when_a_loop_says_so(patience: int) -> None:
    generator = torch.Generator().manual_seed(0)
    alarms = set()
    for _ in range(60):
        values = torch.randn(30, generator=generator).mul(1.2).exp().tolist()
        alarms.add(first_alarm(values, 3.0, patience))
        assert first_alarm(values, 3.0, patience) == naive_alarm(values, 3.0, patience)
    assert len(alarms) > 3
    assert first_alarm([1.0] * 5 + [100.0] * (patience - 1) + [1.0] + [100.0] * (patience - 1), 3.0, patience) is None


def test_ratios_near_zero_and_another_sum_of_losses_raise_no_alarm() -> None:
    assert first_alarm([3.0, 1e-9, *[0.02] * 9], 3.0, 2) is None
    watch = DivergenceWatch(3.0, 1)
    watch.see(0.1, ("first",), 0, 0)
    watch.see(9.0, ("first", "second"), 1, 0)
    with pytest.raises(TrainingError, match=r"step 2 of epoch 2 it is 28, .* its lowest, 9\. .*divergence_factor"):
        watch.see(28.0, ("first", "second"), 1, 1)


def test_it_goes_on_from_what_was_saved_of_it() -> None:
    first, second = DivergenceWatch(3.0, 3), DivergenceWatch(3.0, 3)
    for step, value in enumerate([1.0, 0.5, 9.0, 9.0]):
        first.see(value, ("only",), 0, step)
    second.load_state_dict(first.state_dict())
    assert second == first
    with pytest.raises(TrainingError):
        second.see(9.0, ("only",), 0, 4)


class Going(Objective):
    """An objective that goes wrong in a step: its loss grows, or is no number, from there on."""

    def __init__(self, model: object, wrong_from: int, value: float) -> None:
        super().__init__({}, model)  # type: ignore[arg-type]  # it has no losses that would look at it
        self.steps, self.wrong_from, self.value = 0, wrong_from, value

    def forward(self, view: View) -> LossValue:
        self.steps += 1
        factor = self.value if self.steps > self.wrong_from else 1.0
        return LossValue(view.queries.square().sum() * 0 + factor)


class FewSteps:
    """Training data of a few equal batches."""

    steps = STEPS
    pixels = SimpleNamespace(kind="cache")

    def batches(self, epoch: int, first_step: int, world: World) -> Iterator[Batch]:
        for _ in range(STEPS):
            yield small_batch(ROWS)

    def notes(self, epoch: int, step: int, world: World) -> list[ExampleNote]:
        return [ExampleNote(f"reference {step}", f"target {n}", "größer") for n in range(ROWS)]


def run_of(training: TrainingConfig) -> RunConfig:
    model: ModelConfig = small_config("tirg-last-conv")
    loss: LossConfig = from_mapping(losses["batch-classification"].Config, {"name": "batch-classification"})
    return RunConfig(name="x", dataset="x", model=model, objective={"only": loss}, training=training)


@pytest.mark.parametrize(("value", "step"), [(math.nan, 4), (math.inf, 4), (20.0, 6)])
def test_the_batch_at_which_a_run_ends_is_kept_and_the_error_says_where(
    tmp_path: Path, value: float, step: int
) -> None:
    training = TrainingConfig(epochs=1, batch_size=ROWS, divergence_factor=10, divergence_steps=3)
    run = run_of(training)
    learner = Trainee.build(run, VOCABULARY, STEPS, CPU)
    learner.step.objective = Going(learner.step.model, 3, value)
    folder = Location.parse(str(tmp_path / "run"))
    name = f"batch-epoch-00001-step-{step:06d}-worker-0"
    with pytest.raises(TrainingError, match=rf"step {step} of epoch 1.*{name}\.safetensors.*learning_rate") as caught:
        fit(run, cast(TrainingData, FewSteps()), learner, inspection=folder)
    assert folder.uri in str(caught.value)
    kept = safetensors.torch.load((folder / f"{name}.safetensors").read())
    assert torch.equal(kept["reference"], small_batch(ROWS).reference)
    assert {"target", "tokens", "lengths", "target_description_tokens"} <= kept.keys()
    note = json.loads((folder / f"{name}.json").read())
    assert f"step {step} of epoch 1" in note["reason"]
    assert note["examples"][5] == {"reference_id": f"reference {step - 1}", "target_id": "target 5", "text": "größer"}


def test_where_the_batch_cannot_be_kept_the_error_is_still_the_first_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    run = run_of(TrainingConfig(epochs=1, batch_size=ROWS))
    learner = Trainee.build(run, VOCABULARY, STEPS, CPU)
    learner.step.objective = Going(learner.step.model, 0, math.nan)
    with pytest.raises(TrainingError, match=r"loss is nan at step 1 of epoch 1; the batch could not be kept"):
        fit(run, cast(TrainingData, FewSteps()), learner, inspection=Location.parse(str(tmp_path / "file" / "run")))
