"""What every registered loss must keep to."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from cirray.composers import Retriever, composers
from cirray.config import from_mapping
from cirray.encoders import ImageFeatures
from cirray.errors import ConfigError, TrainingError
from cirray.objectives import Batch, Loss, LossConfig, LossValue, Objective, Texts, View, losses
from cirray.recipes import RunConfig, TrainingConfig
from cirray.training.data import TrainingData
from cirray.training.loop import fit
from cirray.training.trainee import Trainee, TrainingStep
from cirray.training.world import World
from tests.small_models import small_batch, small_config, small_retriever
from tests.two_workers import Case, Rows, run_cases

ROWS, DIM = 6, 8


@pytest.fixture(params=list(losses))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def config_of(name: str, **settings: Any) -> LossConfig:
    return from_mapping(losses[name].Config, {"name": name, **settings})


@cache
def composer_for(name: str) -> str:
    """Return the first composer that a loss goes together with."""
    for composer in ("tirg-last-conv", *composers):
        try:
            losses[name](config_of(name), small_retriever(composer))
        except ConfigError:
            continue
        return str(composer)
    raise AssertionError(f"loss {name!r} goes together with no composer")


def model_for(name: str) -> Retriever:
    return small_retriever(composer_for(name))


def made(name: str, model: Retriever) -> Loss:
    torch.manual_seed(0)
    return losses[name](config_of(name), model)


def value_of(loss: Loss, view: View, seed: int = 0) -> LossValue:
    torch.manual_seed(seed)
    value: LossValue = loss(view)
    return value


def test_epochs_in_which_nothing_would_count_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="first_epoch 3 and last_epoch 2 never counts"):
        config_of(name, first_epoch=3, last_epoch=2)
    only = config_of(name, first_epoch=2, last_epoch=2)
    assert [only.counts_in(epoch) for epoch in (1, 2, 3)] == [False, True, False]


def draws(name: str) -> bool:
    """Return whether the value depends on what is drawn in the step."""
    model = model_for(name).eval()
    loss = made(name, model).eval()
    values = {value_of(loss, View(model, small_batch(ROWS)), seed).total.item() for seed in range(5)}
    return len(values) > 1


def test_the_name_in_the_registry_is_that_of_the_configuration(name: str) -> None:
    assert config_of(name).name == name


def test_value_and_gradients_are_numbers_and_reach_the_model_and_all_weights_of_the_loss(name: str) -> None:
    model = model_for(name)
    loss = made(name, model)
    value = value_of(loss, View(model, small_batch(ROWS)))
    assert value.total.shape == ()
    assert bool(torch.isfinite(value.total))
    assert all(bool(torch.isfinite(part)) and not part.requires_grad for part in value.parts.values())
    value.total.backward()
    of_model = [weight.grad for weight in model.parameters() if weight.grad is not None]
    assert any(bool(gradient.abs().sum() > 0) for gradient in of_model)
    without = [key for key, weight in loss.named_parameters() if weight.requires_grad and weight.grad is None]
    assert without == []
    of_loss = [weight.grad for weight in loss.parameters() if weight.grad is not None]
    assert all(bool(torch.isfinite(gradient).all()) for gradient in of_model + of_loss)


def test_a_weight_of_zero_leaves_nothing_of_it(name: str) -> None:
    model = model_for(name)
    torch.manual_seed(0)
    objective = Objective({"only": config_of(name, weight=0.0)}, model)
    total = objective(View(model, small_batch(ROWS))).total
    assert total.item() == 0
    total.backward()
    gradients = [weight.grad for weight in (*model.parameters(), *objective.parameters()) if weight.grad is not None]
    assert all(not bool(gradient.any()) for gradient in gradients)


def test_its_weights_depend_on_the_seed_alone_and_are_none_of_the_models(name: str) -> None:
    model = model_for(name)
    first, second = made(name, model), made(name, model)
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), second.parameters(), strict=True))
    assert not set(map(id, first.parameters())) & set(map(id, model.parameters()))


def test_the_order_of_the_batch_does_not_change_the_value(name: str) -> None:
    if draws(name):
        pytest.skip("draws negatives by their place in the batch")
    model, batch = model_for(name).eval(), small_batch(ROWS)
    loss = made(name, model).eval()
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    expected = value_of(loss, View(model, batch)).total
    torch.testing.assert_close(value_of(loss, View(model, _reordered(batch, order))).total, expected)


def _reordered(batch: Batch, order: Tensor) -> Batch:
    def texts(given: Texts | None) -> Texts | None:
        return given and Texts(given.tokens[order], given.lengths[order], given.known[order])

    return Batch(
        batch.reference[order],
        batch.tokens[order],
        batch.lengths[order],
        batch.target[order],
        texts(batch.reference_descriptions),
        texts(batch.target_descriptions),
    )


class AskedForMoreError(Exception):
    """A loss looks at more than queries and targets."""


class VectorsOnly(View):
    """A view of given queries and targets, and nothing else."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("reference", "target", "references", "text", "reference_descriptions", "target_descriptions"):
            raise AskedForMoreError(name)
        return super().__getattribute__(name)

    def scores(self, gallery: Tensor) -> Tensor:
        return self.model.composer.rescore(self.queries, None, gallery)


def vectors_only(rows: Rows) -> View:
    view = VectorsOnly(small_retriever("image-only"), small_batch(2))
    view.__dict__.update(rows)
    return view


def of_image_only(name: str) -> Loss:
    return made(name, small_retriever("image-only"))


def vectors() -> dict[str, Tensor]:
    both = torch.randn(2, ROWS, DIM, generator=torch.Generator().manual_seed(0))
    return {"queries": both[0], "targets": both[1]}


def looks_at_vectors_only(name: str) -> bool:
    try:
        value_of(of_image_only(name), vectors_only(vectors()))
    except (AskedForMoreError, ConfigError):
        return False
    return True


def test_two_workers_with_half_the_batch_give_the_gradients_of_one_with_all(tmp_path: Path) -> None:
    names = [name for name in losses if looks_at_vectors_only(name) and not draws(name)]
    assert set(names) >= {"batch-classification", "soft-triplet", "bidirectional-hinge", "batch-hard"}
    cases = {name: Case(partial(of_image_only, name), vectors(), vectors_only) for name in names}
    for name, (two, one) in run_cases(cases, tmp_path).items():
        assert bool(one["queries"].any()), name
        torch.testing.assert_close({name: two}, {name: one}, rtol=1e-5, atol=1e-6)


def alike(size: int) -> Batch:
    """Return a batch of copies: one picture as every reference and target, one text, one description."""
    batch = small_batch(size)
    first = torch.zeros(size, dtype=torch.long)
    copies = _reordered(batch, first)
    return Batch(
        copies.reference,
        copies.tokens,
        copies.lengths,
        copies.reference,
        copies.reference_descriptions,
        copies.target_descriptions,
    )


def gradients_of(name: str, batch: Batch, **settings: Any) -> list[Tensor]:
    """Return all gradients of a loss in training, after making sure that its value is a number."""
    model = model_for(name).train()
    torch.manual_seed(0)
    loss = losses[name](config_of(name, **settings), model)
    value = value_of(loss, View(model, batch))
    assert bool(torch.isfinite(value.total))
    value.total.backward()
    return [weight.grad for weight in (*model.parameters(), *loss.parameters()) if weight.grad is not None]


@pytest.mark.parametrize("batch", [small_batch(2), alike(2), alike(ROWS)], ids=["two", "two copies", "copies"])
def test_the_smallest_batch_and_one_of_copies_give_gradients_that_are_numbers(name: str, batch: Batch) -> None:
    gradients = gradients_of(name, batch)
    assert gradients
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


def test_the_largest_scale_gives_gradients_that_are_numbers(name: str) -> None:
    if "scale" not in losses[name].Config.model_fields:
        pytest.skip("has no scale")
    gradients = gradients_of(name, small_batch(ROWS), scale=1e4)
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


@pytest.mark.parametrize("zero", ["queries", "targets"])
def test_vectors_of_length_zero_give_gradients_that_are_numbers(name: str, zero: str) -> None:
    if not looks_at_vectors_only(name):
        pytest.skip("looks at more than queries and targets")
    given = vectors()
    given[zero][:3] = 0.0
    leaves = {key: each.requires_grad_() for key, each in given.items()}
    value = value_of(of_image_only(name), vectors_only(leaves))
    value.total.backward()
    assert bool(torch.isfinite(value.total))
    gradients = [each.grad for each in leaves.values() if each.grad is not None]
    assert gradients
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


def test_a_model_in_half_precision_is_judged_in_single(name: str) -> None:
    model, batch = model_for(name).eval(), small_batch(ROWS)
    loss = made(name, model).eval()
    exact = value_of(loss, View(model, batch))
    with torch.autocast("cpu", torch.bfloat16):
        view = View(model, batch)
    with torch.autocast("cpu", enabled=False):
        rounded = value_of(loss, view)
    rounded.total.backward()
    assert rounded.total.dtype == torch.float32
    torch.testing.assert_close(rounded.total, exact.total, rtol=0.1, atol=0.05)


class OneStep:
    """Training data of one batch."""

    steps = 1
    pixels = SimpleNamespace(kind="cache")

    def batches(self, epoch: int, first_step: int, world: World) -> Iterator[Batch]:
        yield small_batch(ROWS)


def without_a_number(module: nn.Module, given: object, features: ImageFeatures) -> ImageFeatures:
    """Return the features with those of the first picture spoiled."""
    spoiled = torch.ones(len(features.pooled))
    spoiled[0] = torch.nan
    maps = tuple(each * spoiled[:, None, None, None] for each in features.maps)
    return ImageFeatures(maps, features.pooled * spoiled[:, None])


def test_what_is_no_number_in_a_batch_ends_the_run_with_advice(name: str) -> None:
    model = model_for(name)
    objective = {"only": config_of(name)}
    run = RunConfig(
        name="x",
        dataset="x",
        model=small_config(composer_for(name)),
        objective=objective,
        training=TrainingConfig(epochs=1, batch_size=ROWS),
    )
    torch.manual_seed(0)
    step = TrainingStep(model, Objective(objective, model))
    optimizer = torch.optim.SGD(step.parameters(), 0.1)
    trainee = Trainee(step, optimizer, LambdaLR(optimizer, lambda done: 1.0))
    before = [weight.clone() for weight in step.parameters()]
    model.image_encoder.register_forward_hook(without_a_number)
    with pytest.raises(TrainingError, match=r"is nan at step 1 of epoch 1.*training\.learning_rate"):
        fit(run, cast(TrainingData, OneStep()), trainee)
    assert all(torch.equal(old, new) for old, new in zip(before, step.parameters(), strict=True))
