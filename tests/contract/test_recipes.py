"""What every registered recipe must keep to."""

from __future__ import annotations

import pytest

from cirray.composers import Retriever
from cirray.config import override
from cirray.recipes import RunConfig, recipes


@pytest.fixture(params=list(recipes))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_returns_a_complete_run_under_its_own_name(name: str) -> None:
    config = recipes[name]()
    assert config.name == name
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


def test_its_model_can_be_built(name: str) -> None:
    assert Retriever(recipes[name]().model, vocabulary_size=10).dim > 0


def test_any_field_can_be_set(name: str) -> None:
    config = override(recipes[name](), ["training.epochs=3", "model.composer.dim=16", "objective.scale=2"])
    assert config.training.epochs == 3
    assert config.model.composer.dim == 16
    assert config.objective.model_dump()["scale"] == 2
