"""What every registered recipe must keep to."""

from __future__ import annotations

import pytest
import torch

from cirray.batches import samplers
from cirray.composers import Retriever, composers
from cirray.config import override
from cirray.encoders import Vocabulary, no_initial_weights
from cirray.errors import ConfigError
from cirray.objectives import Objective
from cirray.recipes import RunConfig, recipes
from cirray.training.trainee import TrainingStep
from tests.small_models import VOCABULARY, WORDS, small_batch

EXTRAS = {"open-clip": "open_clip", "timm": "timm", "sentence": "tokenizers"}
"""Encoders that need an extra, and the package that it brings."""


@pytest.fixture(params=list(recipes))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_returns_a_complete_run_under_its_own_name(name: str) -> None:
    config = recipes[name]()
    assert config.name == name
    assert config.dataset == name.partition("/")[0]
    assert config.training.sampler.name in samplers
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


def test_its_model_and_objective_can_be_built(name: str) -> None:
    config = recipes[name]()
    for encoder in (config.model.image_encoder.name, config.model.text_encoder.name):
        if encoder in EXTRAS:
            pytest.importorskip(EXTRAS[encoder])
    vocabulary = VOCABULARY
    if config.model.tokenizer in EXTRAS or config.model.tokenizer == "minilm":
        vocabulary = Vocabulary.of(["red"], config.model.tokenizer)
    # Sizes are checked, and no weight takes up room or is drawn.
    with torch.device("meta"), no_initial_weights():
        model = Retriever(config.model, vocabulary)
        Objective(config.objective, model)
    assert model.dim > 0


@pytest.mark.parametrize("small", [*recipes.names("css-2d/*"), *recipes.names("fashion-products/*")])
def test_its_objective_uses_every_weight(small: str) -> None:
    config = recipes[small]()
    torch.manual_seed(0)
    vocabulary = Vocabulary(tokenizer=config.model.tokenizer, words=WORDS)
    model = Retriever(config.model, vocabulary)
    step = TrainingStep(model, Objective(config.objective, model)).train()
    length = 1 if config.model.tokenizer == "whole" else 5
    batch = small_batch(6, length, pixels=config.model.preprocessing.size)
    step(batch, 1)[0].backward()
    # Distributed training waits for a gradient of each, and for ever where none comes.
    assert [name for name, weight in step.named_parameters() if weight.requires_grad and weight.grad is None] == []


def test_any_field_can_be_set(name: str) -> None:
    role = next(iter(recipes[name]().objective))
    wanted = ["training.epochs=90", "model.preprocessing.width=96", f"objective.{role}.weight=2"]
    config = override(recipes[name](), wanted)
    assert config.training.epochs == 90
    assert config.model.preprocessing.width == 96
    assert config.objective[role].weight == 2


@pytest.mark.parametrize("small", ["css-2d", "fashion-products"])
def test_every_composer_has_a_recipe_on_the_small_worlds(small: str) -> None:
    # One tells pictures apart by pairs of words, which only MIT-States has; its recipe is there.
    elsewhere = {recipes["mit-states-compositions/tirg-compositions"]().model.composer.name}
    assert {recipes[name]().model.composer.name for name in recipes.names(f"{small}/*")} == set(composers) - elsewhere


def test_an_epoch_without_a_loss_is_refused() -> None:
    with pytest.raises(ConfigError, match="No loss of the objective counts in epoch 3 of 4"):
        override(
            recipes["css-2d/concat"](),
            ["training.epochs=4", "objective.retrieval.last_epoch=2"],
        )
