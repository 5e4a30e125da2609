"""Cached gradients: those of the undivided batch, for every composer and loss, and less memory for them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cirray.composers import Retriever, composers
from cirray.config import from_mapping
from cirray.errors import ConfigError
from cirray.objectives import Batch, LossConfig, Objective, View, losses
from cirray.training.cached_gradients import CachedView
from cirray.training.trainee import TrainingStep
from cirray.training.whole_batch import BatchRows, drop_by_whole_batch
from tests.small_models import small_batch, small_retriever

ROWS = 7
Gradients = dict[str, Tensor]


def step_of(composer: str, objective: Mapping[str, LossConfig]) -> tuple[TrainingStep, BatchRows]:
    """Return a step in training, with dropout, whose model's batch norms go by running statistics."""
    model = small_retriever(composer)
    torch.manual_seed(0)
    step = TrainingStep(model, Objective(objective, model), frozen_statistics=True)
    rows = BatchRows()
    drop_by_whole_batch(step, rows)
    for layer in step.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.3
    step.train()
    return step, rows


def gradients(step: TrainingStep) -> Gradients:
    found = {name: weight.grad for name, weight in step.named_parameters() if weight.grad is not None}
    step.zero_grad(set_to_none=True)
    return found


def undivided(step: TrainingStep, rows: BatchRows, batch: Batch) -> tuple[Tensor, Gradients]:
    torch.manual_seed(3)
    with rows.of(0, len(batch), len(batch)):
        loss, _ = step(batch, 1)
        loss.backward()
    return loss.detach(), gradients(step)


def in_parts(step: TrainingStep, rows: BatchRows, batch: Batch, size: int) -> tuple[Tensor, Gradients]:
    torch.manual_seed(3)
    with rows.of(0, len(batch), len(batch)):
        view = CachedView(step.model, batch, 1, size, rows)
        loss, _ = step.loss(view)
        loss.backward()
        view.backward()
    return loss.detach(), gradients(step)


def check_equal(found: tuple[Tensor, Gradients], expected: tuple[Tensor, Gradients]) -> None:
    # Sums in another order are off by up to 1.2e-5 for some losses, where the undivided batch is only reordered.
    largest = max(1.0, *(gradient.abs().max().item() for gradient in expected[1].values()))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=3e-5 * largest)


def config_of(name: str) -> LossConfig:
    return from_mapping(losses[name].Config, {"name": name})


def composer_for(name: str) -> str:
    for composer in ("tirg-last-conv", *composers):
        try:
            losses[name](config_of(name), small_retriever(composer))
        except ConfigError:
            continue
        return str(composer)
    raise AssertionError(name)


@pytest.mark.parametrize("name", list(composers))
def test_the_gradients_are_those_of_the_undivided_batch_for_every_composer(name: str) -> None:
    # Additive margin looks at `scores`, which some composers make of more than two vectors.
    step, rows = step_of(name, {"one": config_of("additive-margin"), "two": config_of("batch-classification")})
    batch = small_batch(ROWS)
    expected = undivided(step, rows, batch)
    assert expected[1]
    for size in (2, 3):
        check_equal(in_parts(step, rows, batch, size), expected)


@pytest.mark.parametrize("name", list(losses))
def test_the_gradients_are_those_of_the_undivided_batch_for_every_loss(name: str) -> None:
    # With a second loss after one that draws, what is asked for late is drawn late.
    objective = {"one": config_of(name), "two": config_of("image-reconstruction")}
    batch = small_batch(ROWS)
    # Each from the same start: a discriminator learns in the step.
    expected = undivided(*step_of(composer_for(name), objective), batch)
    found = in_parts(*step_of(composer_for(name), objective), batch, 3)
    check_equal(found, expected)


def test_without_the_same_random_state_the_gradients_would_differ() -> None:
    step, rows = step_of("tirg-last-conv", {"one": config_of("batch-classification")})
    batch = small_batch(ROWS)
    torch.manual_seed(4)
    with rows.of(0, len(batch), len(batch)):
        loss, _ = step(batch, 1)
    assert not torch.isclose(loss.detach(), undivided(step, rows, batch)[0])


def test_half_precision_gives_nearly_the_same() -> None:
    step, rows = step_of("tirg-last-conv", {"one": config_of("batch-classification")})
    batch = small_batch(ROWS)
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        expected, found = undivided(step, rows, batch), in_parts(step, rows, batch, 2)
    assert found[1].keys() == expected[1].keys()
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0.02)


class LargestGraph(nn.Module):
    """Counts how many examples the encoder has run on with a graph at once."""

    def __init__(self, model: Retriever) -> None:
        super().__init__()
        self.largest = 0
        model.image_encoder.register_forward_hook(self.see)

    def see(self, module: nn.Module, given: tuple[Tensor], features: object) -> None:
        if torch.is_grad_enabled():
            self.largest = max(self.largest, len(given[0]))


def test_no_more_than_a_part_has_a_graph() -> None:
    step, rows = step_of("tirg-last-conv", {"one": config_of("batch-classification")})
    seen = LargestGraph(step.model)
    in_parts(step, rows, small_batch(ROWS), 3)
    assert seen.largest == 3
    undivided(step, rows, small_batch(ROWS))
    assert seen.largest == ROWS


def test_running_statistics_count_each_part_once() -> None:
    model, twin = (without_dropout(small_retriever("tirg-last-conv")).train() for _ in range(2))
    step = TrainingStep(model, Objective({"one": config_of("batch-classification")}, model))
    in_parts(step, BatchRows(), small_batch(ROWS), 3)
    for rows in (slice(0, 2), slice(2, 4), slice(4, 7)):
        view = View(twin, small_batch(ROWS).rows(rows))
        view.queries, view.targets  # noqa: B018 (asking is what computes)
    for norm, other in zip(norms(model), norms(twin), strict=True):
        torch.testing.assert_close(norm.running_mean, other.running_mean)
        torch.testing.assert_close(norm.running_var, other.running_var)
        assert norm.momentum == 0.1


def norms(module: nn.Module) -> list[_BatchNorm]:
    return [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]


def without_dropout(model: Retriever) -> Retriever:
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return model
