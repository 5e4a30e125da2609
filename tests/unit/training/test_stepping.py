"""What a step computes in, and what a report says of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from cirray.config import from_mapping
from cirray.encoders import ImageFeatures
from cirray.errors import ConfigError
from cirray.objectives import Batch, LossConfig, losses
from cirray.objectives.sac_discriminator import SacDiscriminatorConfig
from cirray.recipes import RunConfig, TrainingConfig
from cirray.training import compilation
from cirray.training.data import TrainingData
from cirray.training.loop import fit
from cirray.training.progress import EpochReport
from cirray.training.trainee import Trainee
from cirray.training.world import CPU, World
from tests.small_models import VOCABULARY, small_batch, small_config

ROWS = 6


class OneStep:
    """Training data of one batch."""

    steps = 1
    pixels = SimpleNamespace(kind="cache")

    def batches(self, epoch: int, first_step: int, world: World) -> Iterator[Batch]:
        yield small_batch(ROWS)


def run_of(composer: str = "tirg-last-conv", more: dict[str, LossConfig] | None = None, **settings: Any) -> RunConfig:
    loss: LossConfig = from_mapping(losses["batch-classification"].Config, {"name": "batch-classification"})
    training = TrainingConfig.model_validate({"epochs": 1, "batch_size": ROWS, **settings})
    return RunConfig(
        name="x",
        dataset="x",
        model=small_config(composer),
        objective={"only": loss, **(more or {})},
        training=training,
    )


def fitted(run: RunConfig, learner: Trainee | None = None) -> EpochReport:
    learner = learner or Trainee.build(run, VOCABULARY, 1, CPU)
    return fit(run, cast(TrainingData, OneStep()), learner).history[-1]


class Seen(nn.Module):
    """What comes into the image encoder and goes out of it."""

    def __init__(self, learner: Trainee) -> None:
        super().__init__()
        self.inputs: list[Tensor] = []
        self.outputs: list[torch.dtype] = []
        learner.step.model.image_encoder.register_forward_hook(self.see)

    def see(self, module: nn.Module, given: tuple[Tensor], features: ImageFeatures) -> None:
        self.inputs.append(given[0])
        self.outputs.append(features.maps[-1].dtype)


@pytest.mark.parametrize(
    ("precision", "expected"), [("auto", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
@pytest.mark.parametrize("micro_batch", [None, 2])
def test_the_model_computes_in_the_precision_that_is_asked_for(
    precision: str, expected: torch.dtype, micro_batch: int | None
) -> None:
    run = run_of(precision=precision, micro_batch=micro_batch, batch_statistics="micro-batch")
    learner = Trainee.build(run, VOCABULARY, 1, CPU)
    before = [weight.clone() for weight in learner.step.model.image_encoder.parameters()]
    seen = Seen(learner)
    fitted(run, learner)
    assert set(seen.outputs) == {expected}
    after = list(learner.step.model.image_encoder.parameters())
    assert all(weight.dtype == torch.float32 for weight in after)
    assert not any(torch.equal(old, new) for old, new in zip(before, after, strict=True)), "every weight learns"


@pytest.mark.parametrize("micro_batch", [None, 2])
def test_pictures_keep_their_channels_last_in_memory(micro_batch: int | None) -> None:
    run = run_of(micro_batch=micro_batch, batch_statistics="micro-batch")
    learner = Trainee.build(run, VOCABULARY, 1, CPU)
    seen = Seen(learner)
    fitted(run, learner)
    assert all(given.is_contiguous(memory_format=torch.channels_last) for given in seen.inputs)
    convolutions = [layer for layer in learner.step.modules() if isinstance(layer, nn.Conv2d)]
    assert all(layer.weight.is_contiguous(memory_format=torch.channels_last) for layer in convolutions)


def test_a_report_says_rates_parts_and_memory() -> None:
    discriminator = SacDiscriminatorConfig(learning_rate=0.05, hidden=(4, 3))
    run = run_of(
        "sac",
        {"adversarial": discriminator},
        learning_rate=0.01,
        image_encoder_rate=0.1,
        schedule="constant",
        warmup=0,
    )
    report = fitted(run)
    assert report.learning_rates == pytest.approx({"image_encoder": 0.001, "rest": 0.01, "adversarial": 0.05})
    assert {"total", "only", "only.scale", "adversarial", "adversarial.discriminator"} == set(report.losses)
    assert report.peak_memory_mib > 50
    assert report.gradient_norm > 0
    assert report.triplets_per_s > 0


@pytest.mark.parametrize("statistics", ["all-workers", "worker"])
def test_statistics_that_no_part_of_a_batch_has_are_refused(statistics: str) -> None:
    run = run_of(micro_batch=2, batch_statistics=statistics)
    with pytest.raises(ConfigError, match=r"micro_batch is 2.*batch norm.*batch_statistics to micro-batch"):
        Trainee.build(run, VOCABULARY, 1, CPU)


def test_frozen_statistics_stay_where_they_were() -> None:
    run = run_of(batch_statistics="frozen")
    learner = Trainee.build(run, VOCABULARY, 1, CPU)
    before = {name: value.clone() for name, value in learner.step.model.named_buffers()}
    fitted(run, learner)
    assert before
    assert all(torch.equal(value, before[name]) for name, value in learner.step.model.named_buffers())


def test_without_a_compiler_the_run_goes_on_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(function: object) -> object:
        raise RuntimeError("no g++ to be found\nand a long trace")

    monkeypatch.setattr(torch, "compile", broken)
    run = run_of(compile=True)
    with caplog.at_level(logging.WARNING):
        report = fitted(run)
    assert "no g++ to be found" in caplog.text
    assert "C++ compiler is needed" in caplog.text
    assert report == fitted(run_of()).model_copy(
        update={name: getattr(report, name) for name in ("seconds", "triplets_per_s", "waiting", "peak_memory_mib")}
    )


def test_only_the_image_encoder_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(torch, "compile", lambda function: function)
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled.append(module))
    learner = Trainee.build(run_of(compile=True, ema_decay=0.5), VOCABULARY, 1, CPU)
    assert compiled == [learner.step.model.image_encoder]


@pytest.mark.slow
def test_a_compiled_encoder_gives_the_same_loss() -> None:
    run = run_of(compile=True)
    learner = Trainee.build(run, VOCABULARY, 1, CPU)
    if not compilation.compile_encoder(learner.step.model, CPU):
        pytest.skip("no compiler here")
    names = set(learner.step.state_dict())
    assert names == set(Trainee.build(run_of(), VOCABULARY, 1, CPU).step.state_dict())
    assert fitted(run, learner).losses["total"] == pytest.approx(fitted(run_of()).losses["total"], rel=1e-4)
