"""RTIC's gate and error encoding, against loops over every value."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cirray.composers.rtic import Rtic, RticConfig
from cirray.encoders import ImageFeatures, ImageShape, MapShape, TextFeatures, TextShape
from tests.loops import Vector, assert_close, sigmoid, through, with_random_statistics
from tests.small_models import image_features, text_features

CHANNELS, TEXT, DIM = 3, 4, 6
IMAGE = ImageShape((MapShape(CHANNELS, 2, 2),), CHANNELS)


def composer(blocks: int) -> Rtic:
    torch.manual_seed(0)
    made = Rtic(RticConfig(dim=DIM, blocks=blocks), IMAGE, TextShape(TEXT, TEXT, TEXT))
    with_random_statistics(made)
    return made.eval()


def inputs() -> tuple[ImageFeatures, TextFeatures]:
    return image_features(3, *IMAGE.maps), text_features(3, TEXT)


def naive_layers(layers: Any, values: Vector) -> Vector:
    for layer in layers:
        if isinstance(layer, nn.LeakyReLU):
            values = [value if value > 0 else 0.01 * value for value in values]
        elif isinstance(layer, nn.Sigmoid):
            values = [sigmoid(value) for value in values]
        else:
            values = through(layer, values)
    return values


def naive_query(made: Rtic, pooled: Vector, sentence: Vector) -> Vector:
    x = through(made.project, pooled)
    fused = naive_layers(made.fusion, x + sentence)
    gate = naive_layers(made.gate, fused)
    for block in made.blocks:
        fused = [value + error for value, error in zip(fused, naive_layers(block, fused), strict=True)]
    return [g * kept + (1 - g) * new for g, kept, new in zip(gate, x, fused, strict=True)]


@pytest.mark.parametrize("blocks", [1, 4])
def test_the_query_is_a_gated_mix_of_the_reference_and_the_encoded_error(blocks: int) -> None:
    made, (image, text) = composer(blocks), inputs()
    assert len(made.blocks) == blocks
    queries = made.compose(image, text)
    for query, pooled, sentence in zip(queries, image.pooled.tolist(), text.sentence.tolist(), strict=True):
        assert_close(query, naive_query(made, pooled, sentence))


def test_an_open_gate_leaves_the_reference_as_it_is() -> None:
    made, (image, text) = composer(2), inputs()
    last = made.gate[3]
    assert isinstance(last, nn.Linear)
    nn.init.constant_(last.bias, 1e4)
    torch.testing.assert_close(made.compose(image, text), made.embed(image))
