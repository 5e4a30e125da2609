"""The bidirectional hinge and its mining, against loops."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from cirray.objectives.bidirectional_hinge import (
    BidirectionalHinge,
    BidirectionalHingeConfig,
    bidirectional_hinge,
)
from tests.small_models import fixed_view, small_retriever

ROWS, DIM = 8, 3


def rows(seed: int = 0) -> tuple[Tensor, Tensor]:
    both = torch.randn(2, ROWS, DIM, generator=torch.Generator().manual_seed(seed))
    both[1] = both[0] + 0.5 * both[1]
    unit = torch.nn.functional.normalize(both, dim=2)
    return unit[0], unit[1]


def naive_distance(a: list[float], b: list[float], distance: str) -> float:
    square = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
    return square if distance == "squared-l2" else math.sqrt(square)


def naive_hinge(
    anchors: list[list[float]], positives: list[list[float]], i: int, margin: float, mining: str, distance: str,
    known: list[bool],
) -> float:  # fmt: skip
    own = naive_distance(anchors[i], positives[i], distance)
    away = [naive_distance(anchors[i], positives[j], distance) for j in range(len(positives)) if j != i and known[j]]
    if mining == "semi-hard":
        away = [each for each in away if each > own]
    if not away:
        return 0.0
    if mining == "all":
        return sum(max(0.0, margin + own - each) for each in away) / len(away)
    return max(0.0, margin + own - min(away))


def naive_loss(
    anchors: Tensor, positives: Tensor, margin: float, mining: str, distance: str, known: list[bool]
) -> float:
    a, p = anchors.tolist(), positives.tolist()
    values = [
        naive_hinge(a, p, i, margin, mining, distance, known) + naive_hinge(p, a, i, margin, mining, distance, known)
        for i in range(len(a))
        if known[i]
    ]
    return sum(values) / max(1, len(values))


@pytest.mark.parametrize("mining", ["semi-hard", "hardest", "all"])
@pytest.mark.parametrize("distance", ["l2", "squared-l2"])
@pytest.mark.parametrize("known", [[True] * ROWS, [True, False, True, True, False, True, True, False]])
def test_the_loss_is_that_of_the_formula(mining: Any, distance: Any, known: list[bool]) -> None:
    anchors, positives = rows()
    value = bidirectional_hinge(
        anchors, positives, 0.3, mining, distance=distance, known=None if all(known) else torch.tensor(known)
    )
    expected = naive_loss(anchors, positives, 0.3, mining, distance, known)
    assert expected > 0, "or the comparison says nothing"
    assert value.item() == pytest.approx(expected, rel=1e-4)


def test_the_anchors_own_positive_decides_what_is_semi_hard() -> None:
    # On a line: anchor 0 is at 0.0 and its positive at 1.0; positive 1 is at 0.9, nearer than that and so barred,
    # though farther than anchor 1 is from it, which is what VAL's released code would compare with.
    anchors, positives = torch.tensor([[0.0], [0.85]]), torch.tensor([[1.0], [0.9]])
    first = naive_hinge(anchors.tolist(), positives.tolist(), 0, 0.5, "semi-hard", "l2", [True, True])
    assert first == 0.0
    value = bidirectional_hinge(anchors, positives, 0.5, "semi-hard")
    assert value.item() == pytest.approx(naive_loss(anchors, positives, 0.5, "semi-hard", "l2", [True, True]))
    others = bidirectional_hinge(anchors, positives, 0.5, "hardest")
    assert others.item() > value.item()


def test_a_pair_without_a_semi_hard_negative_adds_nothing_and_has_a_gradient() -> None:
    anchors = torch.tensor([[0.0], [0.0]], requires_grad=True)
    positives = torch.tensor([[1.0], [1.0]])
    value = bidirectional_hinge(anchors, positives, 0.5, "semi-hard")
    value.backward()
    assert value.item() == 0
    assert anchors.grad is not None
    assert anchors.grad.tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("mining", ["semi-hard", "hardest", "all"])
def test_equal_vectors_have_a_gradient_that_is_a_number(mining: Any) -> None:
    vectors = torch.ones(4, DIM, requires_grad=True)
    bidirectional_hinge(vectors, vectors.clone(), 0.5, mining).backward()
    assert vectors.grad is not None
    assert bool(torch.isfinite(vectors.grad).all())


@pytest.mark.parametrize("mining", ["semi-hard", "hardest", "all"])
@pytest.mark.parametrize("distance", ["l2", "squared-l2"])
def test_what_is_no_number_shows(mining: Any, distance: Any) -> None:
    anchors, positives = rows()
    anchors[3, 1] = float("nan")
    assert math.isnan(bidirectional_hinge(anchors, positives, 0.2, mining, distance=distance).item())


def test_without_any_known_pair_the_loss_is_zero() -> None:
    anchors, positives = rows()
    value = bidirectional_hinge(anchors, positives, 0.2, "all", known=torch.zeros(ROWS, dtype=torch.bool))
    assert value.item() == 0


def test_the_parts_are_normalised_each_for_itself_and_summed() -> None:
    model = small_retriever("image-only", dim=5)
    model.composer.parts = (2, 3)
    loss = BidirectionalHinge(BidirectionalHingeConfig(margin=0.4), model)
    queries, targets = torch.randn(2, ROWS, 5, generator=torch.Generator().manual_seed(3))
    value = loss(fixed_view(model, queries=queries, targets=targets))
    expected = []
    for part in (slice(0, 2), slice(2, 5)):
        unit = [torch.nn.functional.normalize(each[:, part], dim=1) for each in (queries, targets)]
        expected.append(naive_loss(unit[0], unit[1], 0.4, "semi-hard", "l2", [True] * ROWS))
    assert value.total.item() == pytest.approx(sum(expected), rel=1e-4)
    assert [value.parts["part1"].item(), value.parts["part2"].item()] == pytest.approx(expected, rel=1e-4)
