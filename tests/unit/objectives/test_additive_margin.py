"""Additive-margin softmax, against loops."""

from __future__ import annotations

import math

import pytest
import torch

from cirray.objectives import View
from cirray.objectives.additive_margin import AdditiveMargin, AdditiveMarginConfig, additive_margin
from tests.small_models import fixed_view, small_batch, small_retriever


def naive(scores: list[list[float]], first: int, margin: float) -> float:
    total = 0.0
    for i, row in enumerate(scores):
        logits = [score - margin if j == first + i else score for j, score in enumerate(row)]
        total -= logits[first + i] - math.log(sum(math.exp(each) for each in logits))
    return total / len(scores)


@pytest.mark.parametrize(("first", "margin"), [(0, 0.3), (2, 0.3), (1, 0.0)])
def test_the_own_column_is_lowered_by_the_margin(first: int, margin: float) -> None:
    scores = 3 * torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    value = additive_margin(scores, first, margin)
    assert value.item() == pytest.approx(naive(scores.tolist(), first, margin), rel=1e-5)


def test_the_composers_scores_are_what_counts() -> None:
    model = small_retriever("image-only")
    queries, targets = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    loss = AdditiveMargin(AdditiveMarginConfig(scale=10.0), model)
    cosines = torch.nn.functional.cosine_similarity(queries[:, None], targets[None], dim=2)
    value = loss(fixed_view(model, queries=queries, targets=targets))
    assert value.total.item() == pytest.approx(naive((10 * cosines).tolist(), 0, 0.3), rel=1e-5)


def test_cosines_are_not_rounded_where_the_model_runs_in_half_precision() -> None:
    queries, targets = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        view = fixed_view(small_retriever("image-only"), queries=queries, targets=targets)
    with torch.autocast("cpu", enabled=False):
        scores = view.scores(targets)
    cosines = torch.nn.functional.cosine_similarity(queries[:, None], targets[None], dim=2)
    torch.testing.assert_close(scores, cosines)


def test_scores_of_a_re_ranker_depend_on_the_text() -> None:
    model = small_retriever("curling-net", attention_divisor=0.1).eval()
    batch = small_batch(4)
    view = View(model, batch)
    expected = model.composer.rescore(view.queries, view.text, view.targets)
    torch.testing.assert_close(view.scores(view.targets), expected)
    cosines = torch.nn.functional.cosine_similarity(view.queries[:, None], view.targets[None], dim=2)
    assert not torch.allclose(expected, 25 * cosines, atol=1e-3)
