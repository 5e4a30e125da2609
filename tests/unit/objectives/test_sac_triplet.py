"""SAC's triplet loss, against loops and counts of draws, and over workers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cirray.objectives import Loss, LossValue
from cirray.objectives.sac_triplet import SacTriplet, SacTripletConfig
from tests.small_models import fixed_view, small_retriever
from tests.two_workers import run_two_workers

ROWS, DIM = 6, 4


def made_loss(random: int = 1, weighted: int = 1, temperature: float = 1.0) -> SacTriplet:
    config = SacTripletConfig(random_negatives=random, weighted_negatives=weighted, temperature=temperature)
    return SacTriplet(config, small_retriever("image-only"))


def nearest_only() -> Loss:
    """Draw without chance: at a temperature near zero, the nearest other target."""
    return made_loss(random=0, weighted=2, temperature=1e-4)


def vectors() -> tuple[Tensor, Tensor]:
    both = torch.randn(2, ROWS, DIM, generator=torch.Generator().manual_seed(0))
    return both[0], both[1]


def rows() -> dict[str, Any]:
    queries, targets = vectors()
    return {"queries": queries, "targets": targets}


def value(loss: Loss) -> LossValue:
    made: LossValue = loss(fixed_view(**rows()))
    return made


def distance(left: list[float], right: list[float]) -> float:
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(left, right, strict=True)))


def test_the_loss_is_the_soft_hinge_over_distances_that_are_not_squared() -> None:
    queries, targets = (each.tolist() for each in rows().values())
    total = 0.0
    for i, query in enumerate(queries):
        near = distance(query, targets[i])
        nearest = min(distance(query, other) for j, other in enumerate(targets) if j != i)
        total += math.log(1 + math.exp(near - nearest))
    assert math.isclose(value(nearest_only()).total.item(), total / ROWS, rel_tol=1e-5)


def test_negatives_are_drawn_evenly_or_by_nearness_and_never_the_own_target() -> None:
    draws, temperature = 20_000, 0.7
    loss = made_loss(draws, draws, temperature)
    torch.manual_seed(0)
    drawn = loss._draw(torch.cdist(*vectors()), torch.arange(ROWS)[:, None])
    queries, targets = (each.tolist() for each in rows().values())
    for i, query in enumerate(queries):
        chances = [
            math.exp(-distance(query, target) / temperature) if j != i else 0.0 for j, target in enumerate(targets)
        ]
        even, nearby = (torch.bincount(part, minlength=ROWS) / draws for part in drawn[i].split(draws))
        assert even[i] == nearby[i] == 0
        expected = torch.tensor([1 / (ROWS - 1) if j != i else 0.0 for j in range(ROWS)])
        torch.testing.assert_close(even, expected, rtol=0, atol=0.015)
        torch.testing.assert_close(nearby, torch.tensor(chances) / sum(chances), rtol=0, atol=0.015)


def test_all_draws_count_equally_and_follow_the_random_state() -> None:
    loss = made_loss(random=2, weighted=1)
    torch.manual_seed(3)
    drawn = loss._draw(torch.cdist(*vectors()), torch.arange(ROWS)[:, None])
    view = fixed_view(**rows())
    torch.manual_seed(3)
    seen = loss(view).total.item()
    queries, targets = (each.tolist() for each in rows().values())
    total = sum(
        math.log(1 + math.exp(distance(query, targets[i]) - distance(query, targets[j])))
        for i, query in enumerate(queries)
        for j in drawn[i].tolist()
    )
    assert drawn.shape == (ROWS, 3)
    assert math.isclose(seen, total / (3 * ROWS), rel_tol=1e-5)


def test_a_query_on_its_target_has_a_gradient() -> None:
    both = rows()
    queries = both["targets"].clone().requires_grad_()
    loss: LossValue = made_loss()(fixed_view(queries=queries, targets=both["targets"]))
    loss.total.backward()
    assert queries.grad is not None
    assert bool(torch.isfinite(queries.grad).all())


def test_a_loss_without_negatives_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot both be 0"):
        SacTripletConfig(random_negatives=0, weighted_negatives=0)


def test_two_workers_with_half_the_batch_give_the_gradients_of_one_with_all(tmp_path: Path) -> None:
    torch.testing.assert_close(*run_two_workers(nearest_only, rows(), tmp_path))
