"""The moving average of the weights, against a loop; kept with the checkpoint and for the bundle."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from cirray.composers import Retriever
from cirray.training.average import WeightAverage
from tests.small_models import small_retriever

DECAY = 0.3


def moved(model: Retriever, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for value in (*model.parameters(), *model.buffers()):
            if value.is_floating_point():
                value.add_(torch.randn(value.shape, generator=generator))
            else:
                value.add_(1)


def test_it_is_what_a_loop_says_of_weights_and_running_statistics() -> None:
    model = small_retriever("tirg-last-conv")
    average = WeightAverage(model, DECAY)
    expected: dict[str, Tensor] = {name: value.clone() for name, value in model.state_dict().items()}
    for step in range(1, 6):
        moved(model, step)
        average.update(model)
        decay = min(DECAY, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            old = expected[name]
            expected[name] = decay * old + (1 - decay) * value if value.is_floating_point() else value.clone()
    found = average.model.state_dict()
    assert found.keys() == expected.keys()
    torch.testing.assert_close(dict(found), expected)
    assert {(1 + n) / (10 + n) < DECAY for n in range(1, 6)} == {True, False}, "or one of the cases is not tested"


def test_it_takes_no_part_in_training() -> None:
    model = small_retriever("tirg-last-conv").train()
    average = WeightAverage(model, DECAY)
    assert not average.model.training
    assert model.training
    assert not any(weight.requires_grad for weight in average.model.parameters())
    assert all(weight.requires_grad for weight in model.parameters())


@pytest.mark.parametrize("decay", [0.5])
def test_what_is_kept_of_it_goes_on(tmp_path: Path, decay: float) -> None:
    model = small_retriever("image-only")
    first, second = WeightAverage(model, decay), WeightAverage(model, decay)
    for step in range(1, 4):
        moved(model, step)
        first.update(model)
    second.model.load_state_dict(first.model.state_dict())
    second.load_state_dict(first.state_dict())
    moved(model, 4)
    first.update(model)
    second.update(model)
    torch.testing.assert_close(first.model.state_dict(), second.model.state_dict(), rtol=0, atol=0)
