"""Batch classification, against loops, and over workers."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from cirray.objectives import LossValue
from cirray.objectives.batch_classification import BatchClassification, BatchClassificationConfig
from tests.small_models import fixed_view, small_retriever
from tests.two_workers import run_two_workers

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


def test_two_workers_with_half_the_batch_give_the_gradients_of_one_with_all(tmp_path: Path) -> None:
    queries, targets = rows()
    two, one = run_two_workers(made_loss, {"queries": queries, "targets": targets}, tmp_path)
    assert set(one) == {"loss", "queries", "targets", "scale"}
    torch.testing.assert_close(two, one)
