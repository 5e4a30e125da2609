"""Optimisers and learning-rate schedules."""

from __future__ import annotations

import math
from typing import cast

import pytest
import torch
from torch import nn

from cirray.recipes import TrainingConfig
from cirray.training.loop import _update
from cirray.training.optimization import learning_rate_factor, make_optimizer, make_schedule
from cirray.training.trainee import Trainee, TrainingStep


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
    hidden = net.encoder(torch.ones(1, 2))
    of_rest = torch.linalg.vector_norm(torch.cat([hidden[0].detach(), torch.ones(1)]))
    torch.testing.assert_close(_update(learner, net.rest(hidden).sum(), None, 0, 0), of_rest)
    assert set(optimizer.state) == set(net.rest.parameters())
    _update(learner, net.rest(net.encoder(torch.ones(1, 2))).sum(), None, 1, 0)
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
