"""Optimisers and learning-rate schedules."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from cirray.recipes import RunConfig, TrainingConfig
from cirray.training.optimization import Plateau, learning_rate_factor, make_optimizer, make_schedule
from cirray.training.stepping import Stepper
from cirray.training.trainee import Trainee, TrainingStep
from cirray.training.world import World


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(2, 3)
        self.rest = nn.Linear(3, 1)
        self.frozen = nn.Parameter(torch.zeros(1), requires_grad=False)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_learning_rate_rises_then_follows_its_schedule(schedule: str) -> None:
    training = TrainingConfig.model_validate({"schedule": schedule, "warmup": 0.1})
    factors = [learning_rate_factor(training, done, 100, 10) for done in range(101)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    if schedule == "constant":
        assert factors[10:] == [1.0] * 91
    else:
        assert factors[10] == 1.0
        assert factors[55] == pytest.approx(0.5)
        assert factors[100] == pytest.approx(0.0)
        assert factors[10:] == sorted(factors[10:], reverse=True)


def test_steps_down_come_every_so_many_epochs() -> None:
    training = TrainingConfig(schedule="step", decay=0.5, decay_every=1.5, warmup=0.0)
    factors = [learning_rate_factor(training, done, 40, 4) for done in range(13)]
    assert factors == [1.0] * 6 + [0.5] * 6 + [0.25]


@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd"])
def test_the_image_encoder_has_a_rate_of_its_own_and_keeps_still_while_frozen(kind: str) -> None:
    torch.manual_seed(0)
    net = Net()
    training = TrainingConfig.model_validate(
        {
            "optimizer": kind,
            "learning_rate": 0.1,
            "image_encoder_rate": 0.1,
            "frozen_epochs": 2,
            "schedule": "constant",
            "warmup": 0.0,
            "epochs": 4,
        }
    )
    optimizer = make_optimizer(net.encoder, net, training)
    schedule = make_schedule(optimizer, training, steps_in_epoch=3)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 4, "every weight that learns, once"
    start, rates = net.encoder.weight.detach().clone(), []
    for step in range(9):
        rates.append(tuple(group["lr"] for group in optimizer.param_groups))
        net.rest(net.encoder(torch.ones(1, 2))).sum().backward()
        optimizer.step()
        schedule.step()
        assert torch.equal(net.encoder.weight, start) is (step < 6)
    assert rates[:6] == [(0.0, 0.1)] * 6
    assert all(math.isclose(encoder, 0.01) and rest == 0.1 for encoder, rest in rates[6:])


def test_what_keeps_still_takes_no_share_of_the_clipped_gradient() -> None:
    torch.manual_seed(0)
    net = Net()
    training = TrainingConfig(optimizer="adam", learning_rate=0.1, frozen_epochs=1, schedule="constant", warmup=0.0)
    optimizer = make_optimizer(net.encoder, net, training)
    learner = Trainee(cast(TrainingStep, net), optimizer, make_schedule(optimizer, training, steps_in_epoch=1))
    stepper = Stepper(cast(RunConfig, SimpleNamespace(training=training)), learner, net, World())
    hidden = net.encoder(torch.ones(1, 2))
    of_rest = torch.linalg.vector_norm(torch.cat([hidden[0].detach(), torch.ones(1)]))
    net.rest(hidden).sum().backward()
    torch.testing.assert_close(stepper._update(0, 0), of_rest)
    assert set(optimizer.state) == set(net.rest.parameters())
    net.rest(net.encoder(torch.ones(1, 2))).sum().backward()
    stepper._update(1, 0)
    assert set(optimizer.state) == {*net.rest.parameters(), *net.encoder.parameters()}


@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd"])
def test_an_image_encoder_that_does_not_learn_stays_out(kind: str) -> None:
    net = Net()
    net.encoder.requires_grad_(False)
    training = TrainingConfig.model_validate({"optimizer": kind})
    optimizer = make_optimizer(net.encoder, net, training)
    schedule = make_schedule(optimizer, training, steps_in_epoch=1)
    before = net.rest.weight.detach().clone()
    net.rest(net.encoder(torch.ones(1, 2))).sum().backward()
    optimizer.step()
    schedule.step()
    assert not torch.equal(net.rest.weight, before)


def test_settings_of_adam_reach_it() -> None:
    net = Net()
    training = TrainingConfig(optimizer="adam", betas=(0.5, 0.6), epsilon=1e-7, amsgrad=True, weight_decay=0.0)
    optimizer = make_optimizer(net.encoder, net, training)
    assert isinstance(optimizer, torch.optim.Adam)
    chosen = optimizer.param_groups[0]
    assert (chosen["betas"], chosen["eps"], chosen["amsgrad"]) == ((0.5, 0.6), 1e-7, True)


@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd"])
def test_the_fused_optimiser_takes_the_steps_of_the_plain_one(kind: str) -> None:
    weights = []
    for fused in (None, True):
        torch.manual_seed(0)
        net = Net()
        training = TrainingConfig.model_validate({"optimizer": kind, "fused": fused, "learning_rate": 0.1})
        optimizer = make_optimizer(net.encoder, net, training)
        assert bool(optimizer.defaults["fused"]) is bool(fused), "on the CPU it must be asked for"
        for _ in range(3):
            optimizer.zero_grad()
            net.rest(net.encoder(torch.ones(1, 2))).square().sum().backward()
            optimizer.step()
        weights.append([weight.detach() for weight in net.parameters()])
    torch.testing.assert_close(*weights)


def naive_rates(values: list[float], patience: int, decay: float, higher_is_better: bool) -> list[float]:
    """Return the factor on the rates after each of the values; better means by one part in ten thousand."""
    factor, best, waited, factors = 1.0, None, 0, []
    for value in values:
        if best is None or (value > best * 1.0001 if higher_is_better else value < best * 0.9999):
            best, waited = value, 0
        else:
            waited += 1
        if waited > patience:
            factor, waited = factor * decay, 0
        factors.append(factor)
    return factors


def plateau_of(training: TrainingConfig) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer, Plateau, LambdaLR]:
    net = Net()
    optimizer = make_optimizer(net.encoder, net, training)
    schedule = make_schedule(optimizer, training, steps_in_epoch=2)
    other = torch.optim.SGD([torch.zeros(1)], lr=0.5)
    return optimizer, other, Plateau(schedule, [other], training), schedule


VALUES = [5.0, 4.0, 4.0, 4.0, 4.5, 3.0, 3.0, 3.1, 3.0, 2.0, 2.5, 2.5]


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("patience", [0, 1, 2])
def test_rates_fall_on_plateaus_as_a_loop_says(validated: bool, patience: int) -> None:
    training = TrainingConfig.model_validate(
        {
            "schedule": "plateau",
            "decay": 0.5,
            "plateau_patience": patience,
            "learning_rate": 0.1,
            "image_encoder_rate": 0.1,
            "frozen_epochs": 3,
            "warmup": 0.25,
            "epochs": len(VALUES),
            "validation": {"split": "val"} if validated else None,
        }
    )
    optimizer, other, plateau, schedule = plateau_of(training)
    values = [-value + 10 for value in VALUES] if validated else VALUES
    expected = naive_rates(values, patience, 0.5, validated)
    assert expected[-1] < 1
    for epoch, (value, factor) in enumerate(zip(values, expected, strict=True)):
        for _ in range(2):
            optimizer.step()
            schedule.step()
        plateau.see(value)
        done = 2 * (epoch + 1)
        rising = min(1.0, (done + 1) / (2 * len(VALUES) * 0.25))
        encoder, rest = (group["lr"] for group in optimizer.param_groups)
        assert rest == pytest.approx(0.1 * rising * factor)
        assert encoder == pytest.approx(0.01 * rising * factor if done >= 6 else 0.0)
        assert other.param_groups[0]["lr"] == pytest.approx(0.5 * factor)


def test_a_plateau_goes_on_from_what_was_saved_of_it() -> None:
    training = TrainingConfig(schedule="plateau", decay=0.5, plateau_patience=1, warmup=0.0, epochs=99)
    whole = plateau_of(training)
    for value in VALUES:
        whole[2].see(value)
    first, second = plateau_of(training), plateau_of(training)
    for value in VALUES[:4]:
        first[2].see(value)
    for place in range(4):
        opened: Any = second[place]
        saved: Any = first[place]
        opened.load_state_dict(saved.state_dict())
    for value in VALUES[4:]:
        second[2].see(value)
    for optimizer, expected in ((second[0], whole[0]), (second[1], whole[1])):
        assert [group["lr"] for group in optimizer.param_groups] == [group["lr"] for group in expected.param_groups]
    assert second[3].base_lrs == whole[3].base_lrs
