"""What every registered composer must keep to."""

from __future__ import annotations

import pytest
import torch

from cirray.composers import ModelConfig, composers
from cirray.config import from_mapping
from cirray.objectives import View
from tests.small_models import small_batch, small_retriever


@pytest.fixture(params=list(composers))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_name_in_the_registry_is_that_of_the_configuration(name: str) -> None:
    assert from_mapping(composers[name].Config, {"name": name}).name == name


def test_queries_and_gallery_vectors_share_one_space(name: str) -> None:
    model = small_retriever(name)
    view = View(model, small_batch())
    queries, targets = view.queries, view.targets
    assert queries.shape == targets.shape == (4, model.dim)
    assert bool(torch.isfinite(queries).all())
    assert bool(torch.isfinite(targets).all())


def test_a_gradient_reaches_every_weight(name: str) -> None:
    model = small_retriever(name)
    view = View(model, small_batch())
    queries, targets = view.queries, view.targets
    (queries * torch.randn_like(queries)).sum().backward(retain_graph=True)
    (targets * torch.randn_like(targets)).sum().backward(retain_graph=True)
    if model.composer.rescores:
        scores = view.scores(targets)
        (scores * torch.randn_like(scores)).sum().backward()
    # A weight that is only multiplied by zero has a gradient too, of zeros.
    without = [
        key for key, weight in model.named_parameters() if weight.grad is None or not weight.grad.abs().sum() > 0
    ]
    assert without == []


def test_the_order_of_the_batch_does_not_matter(name: str) -> None:
    model, batch = small_retriever(name).eval(), small_batch()
    reference, tokens, lengths = batch.reference, batch.tokens, batch.lengths
    order = torch.tensor([2, 0, 3, 1])
    queries = model.compose(reference, tokens, lengths)
    torch.testing.assert_close(model.compose(reference[order], tokens[order], lengths), queries[order])


def test_it_uses_what_it_says_and_ignores_the_rest(name: str) -> None:
    model, batch = small_retriever(name).eval(), small_batch()
    reference, tokens, lengths, other = batch.reference, batch.tokens, batch.lengths, batch.target
    queries = model.compose(reference, tokens, lengths)
    changed = {
        "reference": model.compose(other, tokens, lengths),
        "text": model.compose(reference, tokens.flip(0), lengths),
    }
    assert torch.equal(queries, changed["reference"]) is not model.composer.uses_reference
    assert torch.equal(queries, changed["text"]) is not model.composer.uses_text


def test_equal_seeds_give_equal_models(name: str) -> None:
    first, second = small_retriever(name).state_dict(), small_retriever(name).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_the_configuration_survives_json(name: str) -> None:
    config = small_retriever(name).config
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config
