"""Relationship, against loops over every pair of positions."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor

import cirray.composers.relationship as module
from cirray.composers.relationship import Relationship, RelationshipConfig
from cirray.encoders import ImageFeatures, ImageShape, MapShape, TextFeatures, TextShape
from cirray.errors import ConfigError
from tests.loops import Vector, assert_close, through
from tests.small_models import image_features, text_features

HEIGHT, WIDTH, BATCH, DIM, HIDDEN = 2, 3, 2, 5, 4
IMAGE, TEXT = ImageShape((MapShape(2, 4, 6), MapShape(3, HEIGHT, WIDTH)), 3), TextShape(3, 2, 2)
Pooling = Literal["average", "sum"]


def composer(pooling: Pooling = "average", *, layers: int = 2, coordinates: bool = False) -> Relationship:
    torch.manual_seed(0)
    config = RelationshipConfig(dim=DIM, hidden=HIDDEN, pooling=pooling, layers=layers, coordinates=coordinates)
    return Relationship(config, IMAGE, TEXT).eval()


def inputs() -> tuple[ImageFeatures, TextFeatures]:
    return image_features(BATCH, *IMAGE.maps), text_features(BATCH, TEXT.sentence)


def naive_relation(model: Relationship, pair: Vector) -> Vector:
    values = [max(0.0, value) for value in through(model.first, pair)]
    for layer in model.further:
        values = [max(0.0, value) for value in through(layer, values)]
    return values


def naive_positions(image_map: Tensor, coordinates: bool) -> list[Vector]:
    """Return the channels of each position, row by row."""
    positions = []
    for y in range(HEIGHT):
        for x in range(WIDTH):
            place = [-1 + 2 * y / (HEIGHT - 1), -1 + 2 * x / (WIDTH - 1)] if coordinates else []
            positions.append(image_map[:, y, x].tolist() + place)
    return positions


@pytest.mark.parametrize("pooling", ["average", "sum"])
@pytest.mark.parametrize(("layers", "coordinates"), [(1, False), (3, True)])
def test_the_query_comes_from_all_ordered_pairs(pooling: Pooling, layers: int, coordinates: bool) -> None:
    model, (image, text) = composer(pooling, layers=layers, coordinates=coordinates), inputs()
    queries = model.compose(image, text)
    for row in range(BATCH):
        positions = naive_positions(image.maps[-1][row], coordinates)
        total = [0.0] * HIDDEN
        for one in positions:
            for other in positions:
                related = naive_relation(model, one + other + text.sentence[row].tolist())
                total = [a + b for a, b in zip(total, related, strict=True)]
        if pooling == "average":
            total = [value / len(positions) ** 2 for value in total]
        assert_close(queries[row], through(model.head, total))


def test_only_the_sum_has_a_second_network() -> None:
    assert len([layer for layer in composer("average").head if isinstance(layer, torch.nn.Linear)]) == 1
    assert len([layer for layer in composer("sum").head if isinstance(layer, torch.nn.Linear)]) == 2


@pytest.mark.parametrize("fit", [1, 5, 10**6])
def test_parts_of_the_pairs_give_the_queries_and_gradients_of_all_at_once(
    fit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, (image, text) = composer(), inputs()

    def answer() -> list[Tensor]:
        model.zero_grad()
        image_map = image.maps[-1].clone().requires_grad_()
        queries = model.compose(ImageFeatures((image_map,), image.pooled), text)
        (queries**2).sum().backward()
        gradients = [image_map.grad, *(weight.grad for weight in model.parameters())]
        return [queries.detach(), *(each for each in gradients if each is not None)]

    whole = answer()
    monkeypatch.setattr(module, "VALUES_AT_ONCE", fit * BATCH * HEIGHT * WIDTH * HIDDEN)
    for part, expected in zip(answer(), whole, strict=True):
        torch.testing.assert_close(part, expected)
    # The queries, and the gradients of the map and of all weights but the gallery's.
    assert len(whole) == 2 + len(list(model.parameters())) - 2


def test_no_layer_ever_holds_more_values_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, (image, text) = composer(layers=2), inputs()
    seen: list[int] = []
    model.further[0].register_forward_hook(lambda layer, given, made: seen.append(made.numel()))
    allowed = 2 * BATCH * HEIGHT * WIDTH * HIDDEN
    monkeypatch.setattr(module, "VALUES_AT_ONCE", allowed)
    model.compose(image, text)
    assert seen == [allowed] * 3


@pytest.mark.parametrize("fit", [1, 10**6])
def test_the_explanation_is_how_far_a_position_s_pairs_are_from_the_average(
    fit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, (image, text) = composer(), inputs()
    monkeypatch.setattr(module, "VALUES_AT_ONCE", fit * BATCH * HEIGHT * WIDTH * HIDDEN)
    relations = model.explain(image, text)["relations"]
    for row in range(BATCH):
        positions, asked = naive_positions(image.maps[-1][row], False), text.sentence[row].tolist()
        sums = []
        for one in positions:
            pairs = [
                naive_relation(model, pair + asked) for other in positions for pair in (one + other, other + one)
            ]
            sums.append([sum(values) for values in zip(*pairs, strict=True)])
        mean = [sum(values) / len(sums) for values in zip(*sums, strict=True)]
        far = [sum((a - b) ** 2 for a, b in zip(each, mean, strict=True)) ** 0.5 for each in sums]
        assert_close(relations[row].flatten(), [each / max(far) for each in far])


def test_an_equal_picture_everywhere_has_no_position_that_matters() -> None:
    model, (image, text) = composer(), inputs()
    flat = ImageFeatures((torch.ones_like(image.maps[-1]),), image.pooled)
    assert bool((model.explain(flat, text)["relations"] <= 1).all())


def test_a_level_that_the_encoder_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="levels -2, -1"):
        Relationship(RelationshipConfig(level=-3), IMAGE, TEXT)
    assert Relationship(RelationshipConfig(level=-2), IMAGE, TEXT).first.in_features == 2 + 2 + TEXT.sentence
