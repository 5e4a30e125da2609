"""JVSM's losses, against loops and over workers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cirray.errors import ConfigError
from cirray.objectives import LossValue, Texts, View
from cirray.objectives.jvsm_compositional import JvsmCompositional, JvsmCompositionalConfig
from tests.small_models import fixed_view, small_batch, small_retriever, text_features
from tests.two_workers import Rows, run_two_workers

ROWS, DIM, TEXT, MARGIN = 6, 8, 6, 0.5
WEIGHTS = {"image": 0.9, "text": 0.6, "vse": 0.3}


def made_loss() -> JvsmCompositional:
    weights = {f"{name}_weight": weight for name, weight in WEIGHTS.items()}
    return JvsmCompositional(JvsmCompositionalConfig(margin=MARGIN, **weights), small_retriever("jvsm"))  # type: ignore[arg-type]  # weights only


def rows() -> dict[str, Tensor]:
    both = torch.randn(2, ROWS, DIM, generator=torch.Generator().manual_seed(0))
    sentence = torch.randn(ROWS, TEXT, generator=torch.Generator().manual_seed(1))
    # Of the first half all but one have a description, of the second half one.
    known = torch.tensor([True, True, False, False, True, False])
    return {"queries": both[0], "targets": both[1], "sentence": sentence, "known": known}


def view(given: Rows) -> View:
    size = len(given["queries"])
    made = fixed_view(small_retriever("jvsm"), queries=given["queries"], targets=given["targets"])
    batch = small_batch(size)
    assert batch.target_descriptions is not None
    tokens, lengths = batch.target_descriptions.tokens, batch.target_descriptions.lengths
    made.batch = replace(batch, target_descriptions=Texts(tokens, lengths, given["known"]))
    made.__dict__["target_descriptions"] = replace(text_features(size, TEXT), sentence=given["sentence"])
    return made


def naive_hinge(anchors: list[list[float]], positives: list[list[float]]) -> float:
    """Return the semi-hard hinge both ways between unit vectors."""

    def unit(vector: list[float]) -> list[float]:
        return [each / math.sqrt(sum(v * v for v in vector)) for each in vector]

    left, right = [unit(each) for each in anchors], [unit(each) for each in positives]
    total = 0.0
    for one, other in ((left, right), (right, left)):
        for i, anchor in enumerate(one):
            own = math.dist(anchor, other[i])
            farther = [math.dist(anchor, each) for each in other if math.dist(anchor, each) > own]
            total += max(0.0, own - min(farther) + MARGIN) if farther else 0.0
    return total / len(left)


def test_the_loss_is_three_hinges_and_what_has_no_description_counts_in_one() -> None:
    given = view(rows())
    queries, targets = rows()["queries"].tolist(), rows()["targets"].tolist()
    descriptions = given.model.composer.describe(given.target_descriptions).tolist()
    known = [i for i in range(ROWS) if rows()["known"][i]]
    some = [[each[i] for i in known] for each in (queries, targets, descriptions)]
    parts = {
        "image": naive_hinge(queries, targets),
        "text": naive_hinge(some[0], some[2]),
        "vse": naive_hinge(some[1], some[2]),
    }
    value: LossValue = made_loss()(given)
    for name, part in parts.items():
        assert part > 0
        assert math.isclose(value.parts[name].item(), part, rel_tol=1e-5)
    assert math.isclose(value.total.item(), sum(WEIGHTS[name] * part for name, part in parts.items()), rel_tol=1e-5)


def test_descriptions_from_a_model_in_bf16_are_understood() -> None:
    given = rows()
    exact: LossValue = made_loss()(view(given))
    with torch.autocast("cpu", torch.bfloat16):
        half = view({**given, "sentence": given["sentence"].bfloat16()})
    rounded: LossValue = made_loss()(half)
    assert rounded.total.dtype == torch.float32
    torch.testing.assert_close(rounded.total, exact.total, rtol=3e-2, atol=0)


def test_it_learns_from_a_whole_model_and_asks_for_descriptions() -> None:
    assert JvsmCompositional.needs_descriptions
    model = small_retriever("jvsm")
    value: LossValue = made_loss()(View(model, small_batch(5)))
    value.total.backward()
    assert [key for key, weight in model.named_parameters() if weight.grad is None] == []


def test_a_composer_without_a_place_for_descriptions_is_refused() -> None:
    with pytest.raises(ConfigError, match="'image-only' has no vectors"):
        JvsmCompositional(JvsmCompositionalConfig(), small_retriever("image-only"))


def test_two_workers_with_half_the_batch_give_the_gradients_of_one_with_all(tmp_path: Path) -> None:
    torch.testing.assert_close(*run_two_workers(made_loss, rows(), tmp_path, view))
