"""The soft triplet, against Eq. 5 and the released code's triplets in loops."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from cirray.objectives.soft_triplet import SoftTriplet, SoftTripletConfig, sampled_soft_triplet, soft_triplet
from tests.small_models import fixed_view, small_retriever

ROWS, DIM = 5, 4


def rows() -> tuple[Tensor, Tensor]:
    both = torch.randn(2, ROWS, DIM, generator=torch.Generator().manual_seed(0))
    return both[0], both[1]


def kappa(a: list[float], b: list[float], similarity: str) -> float:
    if similarity == "dot":
        return sum(x * y for x, y in zip(a, b, strict=True))
    square = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
    return -square if similarity == "squared-l2" else -math.sqrt(square)


@pytest.mark.parametrize("similarity", ["dot", "l2", "squared-l2"])
def test_the_loss_is_equation_5(similarity: Any) -> None:
    queries, targets = rows()
    q, t, total = queries.tolist(), targets.tolist(), 0.0
    for i, j in product(range(ROWS), repeat=2):
        if i != j:
            total += math.log(1 + math.exp(kappa(q[i], t[j], similarity) - kappa(q[i], t[i], similarity)))
    assert soft_triplet(queries, targets, similarity).item() == pytest.approx(total / (ROWS * (ROWS - 1)), rel=1e-5)


def naive_triplets(queries: Tensor, targets: Tensor) -> list[list[float]]:
    """Return, for each of the 2B anchors, the losses of all triplets that the released code would shuffle."""
    vectors = [*queries.tolist(), *targets.tolist()]
    labels = [*range(ROWS), *range(ROWS)]
    found: list[list[float]] = [[] for _ in vectors]
    for a, p, n in product(range(2 * ROWS), repeat=3):
        if labels[a] == labels[p] and a != p and labels[a] != labels[n]:
            nearer = -kappa(vectors[a], vectors[p], "squared-l2") + kappa(vectors[a], vectors[n], "squared-l2")
            found[a].append(math.log(1 + math.exp(nearer)))
    return found


def test_with_every_triplet_sampled_the_loss_is_the_mean_over_those_of_the_released_code() -> None:
    queries, targets = rows()
    values = naive_triplets(queries, targets)
    assert {len(each) for each in values} == {2 * ROWS - 2}
    everything = sampled_soft_triplet(queries, targets, "squared-l2", 2 * ROWS - 2)
    assert everything.item() == pytest.approx(sum(map(sum, values)) / sum(map(len, values)), rel=1e-5)
    torch.testing.assert_close(sampled_soft_triplet(queries, targets, "squared-l2", 99), everything)


def test_three_triplets_of_each_anchor_are_drawn_without_replacement() -> None:
    queries, targets = rows()
    values = naive_triplets(queries, targets)
    mean = sum(map(sum, values)) / sum(map(len, values))
    torch.manual_seed(0)
    drawn = [sampled_soft_triplet(queries, targets, "squared-l2", 3).item() for _ in range(400)]
    assert len(set(drawn)) > 390
    assert sum(drawn) / len(drawn) == pytest.approx(mean, rel=0.02)
    lowest = sum(sum(sorted(each)[:3]) for each in values) / (6 * ROWS)
    highest = sum(sum(sorted(each)[-3:]) for each in values) / (6 * ROWS)
    assert lowest - 1e-6 <= min(drawn) < max(drawn) <= highest + 1e-6


def test_the_gradient_of_the_released_code_is_half_of_this_one() -> None:
    queries, targets = rows()
    vectors = torch.cat([queries, targets]).requires_grad_()
    sampled_soft_triplet(vectors[:ROWS], vectors[ROWS:], "squared-l2", 2 * ROWS - 2).backward()
    by_hand = torch.zeros_like(vectors)
    with torch.no_grad():
        for a, n in product(range(2 * ROWS), repeat=2):
            p = (a + ROWS) % (2 * ROWS)
            if n in (a, p):
                continue
            ap, an = vectors[a] - vectors[p], vectors[a] - vectors[n]
            share = torch.sigmoid(ap.square().sum() - an.square().sum()) / (2 * ROWS * (2 * ROWS - 2))
            # The derivative of |x − y|² as x − y.
            by_hand[a] += share * (ap - an)
            by_hand[p] -= share * ap
            by_hand[n] += share * an
    assert vectors.grad is not None
    torch.testing.assert_close(0.5 * vectors.grad, by_hand)


@pytest.mark.parametrize("negatives", ["all", "sampled"])
def test_vectors_are_brought_to_the_learned_length(negatives: Any) -> None:
    queries, targets = rows()
    loss = SoftTriplet(SoftTripletConfig(scale=2.0, negatives=negatives, triplets=8), small_retriever("image-only"))
    unit = [2 * torch.nn.functional.normalize(each, dim=1) for each in (queries, targets)]
    expected = (
        soft_triplet(unit[0], unit[1], "squared-l2")
        if negatives == "all"
        else sampled_soft_triplet(unit[0], unit[1], "squared-l2", 2 * ROWS - 2)
    )
    value = loss(fixed_view(queries=queries * 3, targets=targets / 7))
    torch.testing.assert_close(value.total, expected)
    value.total.backward()
    assert loss.scale.grad is not None


def test_a_length_that_is_not_learned_gets_no_gradient() -> None:
    queries, targets = rows()
    loss = SoftTriplet(SoftTripletConfig(learn_scale=False), small_retriever("image-only"))
    loss(fixed_view(queries=queries.requires_grad_(), targets=targets)).total.backward()
    assert loss.scale.grad is None
    assert queries.grad is not None
