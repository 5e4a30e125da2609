"""Batch classification, against loops."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from cirray.objectives import LossValue
from cirray.objectives.batch_classification import BatchClassification, BatchClassificationConfig
from tests.small_models import fixed_view, small_retriever

ROWS, DIM = 6, 4


def made_loss() -> BatchClassification:
    return BatchClassification(BatchClassificationConfig(scale=3.0), small_retriever("image-only"))


def value(loss: BatchClassification, queries: Tensor, targets: Tensor) -> LossValue:
    made: LossValue = loss(fixed_view(queries=queries, targets=targets))
    return made


def rows() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    both = torch.randn(2, ROWS, DIM, generator=generator)
    return both[0], both[1]


def naive_loss(queries: Tensor, targets: Tensor, scale: float) -> float:
    def unit(row: list[float]) -> list[float]:
        length = math.sqrt(sum(each * each for each in row))
        return [each / length for each in row]

    q, t = [unit(row) for row in queries.tolist()], [unit(row) for row in targets.tolist()]
    total = 0.0
    for i, query in enumerate(q):
        similarities = [scale**2 * sum(a * b for a, b in zip(query, target, strict=True)) for target in t]
        total -= math.log(math.exp(similarities[i]) / sum(math.exp(each) for each in similarities))
    return total / len(q)


def test_the_loss_is_equation_6() -> None:
    queries, targets = rows()
    loss = value(made_loss(), queries, targets)
    assert math.isclose(loss.total.item(), naive_loss(queries, targets, 3.0), rel_tol=1e-5)
    assert loss.parts["scale"].item() == 3.0


def test_the_lengths_of_the_vectors_do_not_count_and_the_scale_learns() -> None:
    queries, targets = rows()
    made = made_loss()
    torch.testing.assert_close(value(made, queries * 7, targets / 3).total, value(made, queries, targets).total)
    value(made, queries, targets).total.backward()
    assert made.scale.grad is not None
    assert made.scale.grad.item() != 0


@pytest.mark.parametrize("direction", ["to-queries", "both"])
def test_the_other_directions_exchange_the_roles(direction: Any) -> None:
    queries, targets = rows()
    made = BatchClassification(
        BatchClassificationConfig(scale=3.0, direction=direction), small_retriever("image-only")
    )
    expected = naive_loss(targets, queries, 3.0)
    if direction == "both":
        expected = (expected + naive_loss(queries, targets, 3.0)) / 2
    assert math.isclose(value(made, queries, targets).total.item(), expected, rel_tol=1e-5)
