"""What every registered recipe must keep to."""

from __future__ import annotations

import pytest

from cirray.composers import Retriever
from cirray.config import override
from cirray.recipes import RunConfig, recipes
from tests.small_models import VOCABULARY


@pytest.fixture(params=list(recipes))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_returns_a_complete_run_under_its_own_name(name: str) -> None:
    config = recipes[name]()
    assert config.name == name
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


def test_its_model_can_be_built(name: str) -> None:
    assert Retriever(recipes[name]().model, VOCABULARY).dim > 0


def test_any_field_can_be_set(name: str) -> None:
    wanted = ["training.epochs=3", "model.preprocessing.width=96", "objective.retrieval.weight=2"]
    config = override(recipes[name](), wanted)
    assert config.training.epochs == 3
    assert config.model.preprocessing.width == 96
    assert config.objective["retrieval"].weight == 2
