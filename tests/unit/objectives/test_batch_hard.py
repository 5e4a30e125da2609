"""The batch-hard triplet, against loops."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from cirray.objectives.batch_hard import BatchHard, BatchHardConfig, batch_hard
from tests.small_models import fixed_view, small_retriever

ROWS, DIM = 6, 4


def rows() -> tuple[Tensor, Tensor]:
    both = torch.randn(2, ROWS, DIM, generator=torch.Generator().manual_seed(0))
    return both[0], both[1]


def naive(queries: Tensor, targets: Tensor, margin: float, squared: bool) -> float:
    vectors, labels = [*queries.tolist(), *targets.tolist()], [*range(ROWS), *range(ROWS)]
    total = 0.0
    for a, anchor in enumerate(vectors):
        away = [sum((x - y) ** 2 for x, y in zip(anchor, other, strict=True)) for other in vectors]
        away = away if squared else [math.sqrt(each) for each in away]
        positive = max(away[p] for p in range(2 * ROWS) if labels[p] == labels[a] and p != a)
        negative = min(away[n] for n in range(2 * ROWS) if labels[n] != labels[a])
        total += max(0.0, positive - negative + margin)
    return total / len(vectors)


@pytest.mark.parametrize("distance", ["l2", "squared-l2"])
@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_each_vector_is_held_against_its_hardest_negative(distance: Any, margin: float) -> None:
    value = batch_hard(*rows(), margin, distance)
    assert value.item() == pytest.approx(naive(*rows(), margin, distance == "squared-l2"), rel=1e-5)


def test_vectors_have_the_length_of_the_scale() -> None:
    queries, targets = rows()
    loss = BatchHard(BatchHardConfig(), small_retriever("image-only"))
    unit = [4.82 * torch.nn.functional.normalize(each, dim=1) for each in (queries, targets)]
    value = loss(fixed_view(queries=3 * queries, targets=targets / 2))
    assert value.total.item() == pytest.approx(naive(unit[0], unit[1], 1.0, squared=True), rel=1e-5)
    assert value.parts["scale"].item() == pytest.approx(4.82)
