"""Classification among drawn sets, against Eq. 4 in loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from cirray.config import from_mapping
from cirray.errors import ConfigError
from cirray.objectives.batch_classification import batch_classification
from cirray.objectives.sampled_classification import (
    SampledClassification,
    SampledClassificationConfig,
    draw_others,
    sampled_classification,
)
from cirray.objectives.soft_triplet import soft_triplet
from tests.small_models import fixed_view, small_retriever

ROWS, DIM = 7, 4


def rows() -> tuple[Tensor, Tensor]:
    both = torch.randn(2, ROWS, DIM, generator=torch.Generator().manual_seed(0))
    return both[0], both[1]


def naive(queries: Tensor, targets: Tensor, drawn: Tensor) -> float:
    q, t, total, count = queries.tolist(), targets.tolist(), 0.0, 0
    for i, query in enumerate(q):
        for others in drawn[i].tolist():
            kappa = {j: sum(a * b for a, b in zip(query, t[j], strict=True)) for j in [i, *others]}
            total -= math.log(math.exp(kappa[i]) / sum(math.exp(each) for each in kappa.values()))
            count += 1
    return total / count


@pytest.mark.parametrize(("size", "sets"), [(2, 1), (3, 2), (4, 5), (7, 1)])
def test_the_loss_is_equation_4(size: int, sets: int) -> None:
    queries, targets = rows()
    torch.manual_seed(5)
    drawn = draw_others(torch.arange(ROWS), ROWS, size - 1, sets)
    torch.manual_seed(5)
    value = sampled_classification(queries, targets, size, sets)
    assert value.item() == pytest.approx(naive(queries, targets, drawn), rel=1e-5)


@pytest.mark.parametrize(("size", "sets"), [(1, 6), (2, 3), (3, 2), (2, 10), (6, 4)])
def test_a_set_has_no_target_twice_nor_the_own_one_and_sets_share_none_while_there_are_others(
    size: int, sets: int
) -> None:
    drawn = draw_others(torch.arange(ROWS), ROWS, size, sets)
    assert drawn.shape == (ROWS, sets, size)
    for own in range(ROWS):
        for each in drawn[own].tolist():
            assert len(set(each)) == size
            assert own not in each
        first_round = drawn[own, : (ROWS - 1) // size].flatten().tolist()
        assert len(set(first_round)) == len(first_round)


def test_sets_of_the_whole_batch_are_equation_6_and_all_pairs_are_equation_5() -> None:
    queries, targets = rows()
    torch.testing.assert_close(
        sampled_classification(queries, targets, ROWS, 2), batch_classification(queries, targets)
    )
    torch.testing.assert_close(
        sampled_classification(queries, targets, 2, ROWS - 1), soft_triplet(queries, targets, "dot")
    )


def test_every_other_target_is_drawn_about_equally_often() -> None:
    torch.manual_seed(0)
    drawn = torch.cat([draw_others(torch.arange(ROWS), ROWS, 2, 1) for _ in range(600)])
    counts = drawn.flatten().bincount(minlength=ROWS)
    assert (counts - 1200).abs().max() < 120


def test_scaled_unit_vectors_are_compared() -> None:
    queries, targets = rows()
    config = from_mapping(
        SampledClassificationConfig, {"name": "sampled-classification", "candidates": ROWS, "scale": 2.0}
    )
    loss = SampledClassification(config, small_retriever("image-only"))
    unit = [torch.nn.functional.normalize(each, dim=1) * 2 for each in (queries, targets)]
    value = loss(fixed_view(queries=queries * 9, targets=targets / 5))
    torch.testing.assert_close(value.total, batch_classification(*unit))


def test_more_candidates_than_the_batch_has_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"Sets of 8 targets .* batch of 7.*training\.batch_size"):
        sampled_classification(*rows(), candidates=8, sets=1)
