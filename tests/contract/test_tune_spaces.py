"""What every search space must keep to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from cirray.composers import Retriever, composers
from cirray.encoders import Vocabulary, no_initial_weights
from cirray.objectives import Objective, losses
from cirray.recipes import RunConfig, recipes
from cirray.tuning import LOSS_DIALS, Dial, dials_of, load_spaces, space_of, spaces, turned
from cirray.tuning.domains import Value
from cirray.tuning.search import distribution, settled
from tests.small_models import WORDS

DRAWS = 5
TUNED_OF_EVERY_LOSS = ("scale", "margin", "temperature")


@pytest.fixture(autouse=True, scope="module")
def loaded() -> None:
    load_spaces(Path(__file__).parents[2] / "tune_spaces")


@pytest.fixture(params=list(recipes))
def config(request: pytest.FixtureRequest) -> RunConfig:
    return recipes[request.param]()


def drawn(dials: Mapping[str, Dial], count: int) -> list[dict[str, Value]]:
    """Return values that Optuna draws at random, as trials take them."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    domains = {name: distribution(dial.domain) for name, dial in dials.items()}
    return [settled(dials, study.ask(fixed_distributions=domains).params) for _ in range(count)]


def test_every_composer_has_a_space_and_every_space_a_composer() -> None:
    assert set(spaces) == set(composers)


def test_every_path_is_a_setting_of_the_recipe_whose_value_the_space_holds(config: RunConfig) -> None:
    dials = dials_of(space_of(config), config)
    assert "training.learning_rate" in dials
    assert any(name.startswith("objective.") for name in dials)
    assert turned(config, dials, {name: dial.default for name, dial in dials.items()}) == config


def test_whatever_is_drawn_builds_a_valid_run(config: RunConfig) -> None:
    dials = dials_of(space_of(config), config)
    found = drawn(dials, DRAWS)
    assert len({str(values) for values in found}) == DRAWS
    for values in found:
        tree = turned(config, dials, values).model_dump(mode="json")
        for name, dial in dials.items():
            for path in dial.paths:
                place: Any = tree
                for part in path.split("."):
                    place = place[int(part)] if isinstance(place, list) else place[part]
                assert place == values[name]


@pytest.mark.parametrize("name", recipes.names("css-2d/*"))
def test_whatever_is_drawn_gives_a_model(name: str) -> None:
    config = recipes[name]()
    dials = dials_of(space_of(config), config)
    vocabulary = Vocabulary(tokenizer=config.model.tokenizer, words=WORDS)
    for values in drawn(dials, DRAWS):
        run = turned(config, dials, values)
        with torch.device("meta"), no_initial_weights():
            assert Objective(run.objective, Retriever(run.model, vocabulary)) is not None


def test_every_margin_scale_and_temperature_of_a_loss_is_a_dial() -> None:
    known = {
        f"objective.{name}.{setting}"
        for name in losses
        for setting in TUNED_OF_EVERY_LOSS
        if setting in losses[name].Config.model_fields
    }
    assert known <= set(LOSS_DIALS)


def test_every_dial_of_a_loss_is_a_setting_of_it() -> None:
    for path in LOSS_DIALS:
        _, loss, setting = path.split(".")
        assert setting in losses[loss].Config.model_fields, path
