"""The loss of "in Joint", against loops, with missing descriptions, and over workers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cirray.errors import ConfigError
from cirray.objectives import Loss, Texts, View
from cirray.objectives.joint import JointLoss, JointLossConfig
from tests.small_models import fixed_view, small_batch, small_retriever, text_features
from tests.two_workers import Rows, run_two_workers

ROWS, DIM = 6, 4
VECTORS = ("queries", "references", "targets", "described_references", "described_targets")
KNOWN = {"known_references": [1, 1, 0, 0, 0, 1], "known_targets": [0, 0, 0, 1, 1, 1]}
"""Three descriptions of references, two of them on the first of two workers; none of targets on the first."""


def made_loss(**settings: Any) -> Loss:
    return JointLoss(JointLossConfig(scale=3.0, **settings), small_retriever("joint"))


def rows(known: dict[str, list[int]] = KNOWN) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    vectors = {name: torch.randn(ROWS, DIM, generator=generator) for name in VECTORS}
    return vectors | {name: torch.tensor(values).bool() for name, values in known.items()}


def view_of(given: Rows) -> View:
    view = fixed_view()
    view.__dict__.update({name: given[name] for name in VECTORS})
    tokens, lengths = torch.ones(len(given["queries"]), 1).long(), torch.ones(len(given["queries"])).long()
    view.batch = replace(
        view.batch,
        reference_descriptions=Texts(tokens, lengths, given["known_references"]),
        target_descriptions=Texts(tokens, lengths, given["known_targets"]),
    )
    return view


def naive_term(vectors: Tensor, others: Tensor, known: Tensor) -> float:
    def unit(row: list[float]) -> list[float]:
        length = math.sqrt(sum(each * each for each in row))
        return [each / length for each in row]

    chosen = [row for row, there in enumerate(known.tolist()) if there]
    u = [unit(vectors[row].tolist()) for row in chosen]
    v = [unit(others[row].tolist()) for row in chosen]
    total = 0.0
    for i, own in enumerate(u):
        weights = [math.exp(9.0 * sum(a * b for a, b in zip(own, other, strict=True))) for other in v]
        total -= math.log(weights[i] / sum(weights))
    return total / len(chosen) if chosen else 0.0


def naive_terms(given: dict[str, Tensor]) -> dict[str, float]:
    everywhere = torch.ones(ROWS).bool()
    return {
        "reference": naive_term(given["references"], given["described_references"], given["known_references"]),
        "target": naive_term(given["targets"], given["described_targets"], given["known_targets"]),
        "retrieval": naive_term(given["queries"], given["targets"], everywhere),
    }


@pytest.mark.parametrize("known", [KNOWN, {name: [1] * ROWS for name in KNOWN}, {name: [0] * ROWS for name in KNOWN}])
def test_the_loss_is_the_sum_of_its_three_terms_over_what_is_described(known: dict[str, list[int]]) -> None:
    given = rows(known)
    value = made_loss()(view_of(given))
    expected = naive_terms(given)
    for name, term in expected.items():
        assert value.parts[name].item() == pytest.approx(term, rel=1e-4)
    total = expected["reference"] + expected["target"] + 2 * expected["retrieval"]
    assert value.total.item() == pytest.approx(total, rel=1e-4)


def test_the_weights_are_settings() -> None:
    given = rows()
    expected = naive_terms(given)
    loss = made_loss(reference_weight=0.5, target_weight=0.0, retrieval_weight=3.0)
    total = 0.5 * expected["reference"] + 3 * expected["retrieval"]
    assert loss(view_of(given)).total.item() == pytest.approx(total, rel=1e-4)


def test_what_has_no_description_gets_no_gradient_from_it_and_gives_none() -> None:
    given = {name: row.requires_grad_() if row.is_floating_point() else row for name, row in rows().items()}
    made_loss(retrieval_weight=0.0)(view_of(given)).total.backward()
    for vectors, known in [("references", "known_references"), ("described_targets", "known_targets")]:
        gradient = given[vectors].grad
        assert gradient is not None
        assert torch.equal(gradient.abs().sum(dim=1) > 0, given[known])


def test_without_any_description_only_retrieval_is_left_and_all_is_finite() -> None:
    given = rows({name: [0] * ROWS for name in KNOWN})
    given = {name: row.requires_grad_() if row.is_floating_point() else row for name, row in given.items()}
    made_loss()(view_of(given)).total.backward()
    for name in VECTORS:
        gradient = given[name].grad
        assert gradient is not None
        assert bool(torch.isfinite(gradient).all())


def test_the_scale_learns_unless_it_is_fixed() -> None:
    loss = made_loss()
    loss(view_of(rows())).total.backward()
    assert loss.get_parameter("scale").grad is not None
    assert not made_loss(learn_scale=False).get_parameter("scale").requires_grad


def test_two_workers_with_half_the_batch_give_the_gradients_of_one_with_all(tmp_path: Path) -> None:
    outcomes = run_two_workers(made_loss, rows(), tmp_path, view_of)
    torch.testing.assert_close(*outcomes)
    assert {*VECTORS, "scale"} < set(outcomes[0])


def test_it_asks_for_descriptions_and_the_model_places_them() -> None:
    assert JointLoss.needs_descriptions
    model = small_retriever("joint", inner={"name": "image-only", "dim": 5})
    JointLoss(JointLossConfig(), model)(View(model, small_batch())).total.backward()
    assert [key for key, weight in model.named_parameters() if weight.grad is None] == []


def test_descriptions_are_placed_in_the_precision_of_the_model_and_compared_in_single() -> None:
    model = small_retriever("joint", inner={"name": "image-only", "dim": 5})
    texts = text_features(4, 6)
    with torch.autocast("cpu", torch.bfloat16):
        view = View(model, small_batch())
    view.__dict__.update(reference_descriptions=texts, target_descriptions=texts)
    with torch.autocast("cpu", enabled=False):
        JointLoss(JointLossConfig(), model)(view).total.backward()
        in_single = model.composer.describe(texts)
    assert view.described_targets.dtype == torch.float32
    assert not torch.equal(view.described_targets, in_single), "or they were placed in single precision"


def test_a_composer_without_descriptions_is_refused() -> None:
    with pytest.raises(ConfigError, match="composer 'image-only' has no place"):
        JointLoss(JointLossConfig(), small_retriever("image-only"))
