"""What every composer keeps to also holds with each switch of VAL, JVSM and SAC."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from cirray.composers import Retriever, composers
from cirray.encoders import ImageFeatures, ImageShape, MapShape, TextFeatures, TextShape
from tests.small_models import (
    VOCABULARY,
    image_features,
    small_batch,
    small_config,
    small_retriever,
    text_features,
)

VAL_CODE = {"batch_norm": True, "rectified_gates": True, "split_heads": True, "attention_dropout": 0.1}
SWITCHES: list[tuple[str, dict[str, Any]]] = [
    ("val", {}),
    ("val", VAL_CODE),
    ("val", {"self_attention": False}),
    ("val", {"joint_attention": False}),
    ("val", {"levels": [-1]}),
    ("val", {"levels": [-3, -1]}),
    ("jvsm", {}),
    ("sac", {}),
    ("sac", {"composition": "concat"}),
    ("sac", {"composition": "residual-gating"}),
    ("sac", {"composition": "hadamard"}),
    ("sac", {"levels": [-2], "temperatures": [1.0]}),
    ("sac", {"levels": [-1], "temperatures": [8.0]}),
]


@pytest.fixture(params=SWITCHES, ids=str)
def switches(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    name, settings = request.param
    return name, settings


def vectors(model: Retriever, size: int) -> tuple[Tensor, Tensor]:
    batch = small_batch(size)
    queries = model.compose(batch.reference, batch.tokens, batch.lengths)
    return queries, model.embed(batch.target)


@pytest.mark.parametrize("size", [3, 4])
def test_a_gradient_reaches_every_weight_in_batches_of_any_size(
    switches: tuple[str, dict[str, Any]], size: int
) -> None:
    model = small_retriever(switches[0], **switches[1])
    queries, targets = vectors(model, size)
    (queries * torch.randn_like(queries)).sum().backward()
    (targets * torch.randn_like(targets)).sum().backward()
    without = {
        key for key, weight in model.named_parameters() if weight.grad is None or not weight.grad.abs().sum() > 0
    }
    assert without == {key for key, _ in model.named_parameters() if key.startswith(idle(*switches))}


def idle(name: str, settings: dict[str, Any]) -> tuple[str, ...]:
    """What an ablation leaves without use: an LSTM's recurrence in its only step, blocks after the last level."""
    levels = settings.get("levels", [-2, -1])
    recurrence = ("composer.over_levels.weight_hh",) if name == "sac" and len(levels) == 1 else ()
    return recurrence if -1 in levels else (*recurrence, "image_encoder.blocks.2")


def test_a_query_and_a_picture_do_not_depend_on_those_beside_them(switches: tuple[str, dict[str, Any]]) -> None:
    model = small_retriever(switches[0], **switches[1])
    vectors(model, 5)
    model.eval()
    batch = small_batch()
    queries, targets = vectors(model, 4)
    for row in range(4):
        one = slice(row, row + 1)
        alone = model.compose(batch.reference[one], batch.tokens[one], batch.lengths[one])
        torch.testing.assert_close(alone[0], queries[row])
        torch.testing.assert_close(model.embed(batch.target[one])[0], targets[row])


def test_saved_weights_give_the_same_vectors(switches: tuple[str, dict[str, Any]]) -> None:
    saved = small_retriever(switches[0], **switches[1])
    vectors(saved, 5)
    torch.manual_seed(7)
    loaded = Retriever(saved.config, VOCABULARY)
    loaded.load_state_dict(saved.state_dict())
    for before, after in zip(vectors(saved.eval(), 4), vectors(loaded.eval(), 4), strict=True):
        assert torch.equal(before, after)


def features(channels: tuple[int, ...], sides: tuple[int, ...]) -> tuple[ImageShape, ImageFeatures, TextFeatures]:
    maps = tuple(MapShape(c, s, s) for c, s in zip(channels, sides, strict=True))
    return ImageShape(maps, channels[-1]), image_features(3, *maps), text_features(3, 6, length=4)


@pytest.mark.parametrize("training", [True, False])
def test_the_composer_runs_in_bf16(switches: tuple[str, dict[str, Any]], training: bool) -> None:
    config = small_config(switches[0], **switches[1]).composer
    shape, image, text = features((4, 6, 6), (8, 4, 2))
    torch.manual_seed(0)
    composer = composers[switches[0]](config, shape, TextShape(3, 6, 6)).train(training)
    exact = composer.compose(image, text), composer.embed(image)
    half = replace(image, maps=tuple(plane.bfloat16() for plane in image.maps), pooled=image.pooled.bfloat16())
    words = replace(text, sentence=text.sentence.bfloat16(), states=text.states.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        rounded = composer.compose(half, words), composer.embed(half)
    if switches[1].get("attention_dropout") and training:
        return
    for before, after in zip(exact, rounded, strict=True):
        assert torch.nn.functional.cosine_similarity(before, after.float()).min() > 0.97
