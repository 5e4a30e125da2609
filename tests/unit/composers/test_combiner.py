"""The Combiner's blend, against loops over every value."""

from __future__ import annotations

import torch
from torch import nn

from cirray.composers.combiner import Combiner, CombinerConfig
from cirray.encoders import ImageShape, MapShape, TextShape
from tests.loops import Vector, assert_close, linear, sigmoid
from tests.small_models import image_features, text_features

DIM, PROJECTION, HIDDEN = 4, 5, 7


def composer(pooled: int, sentence: int) -> Combiner:
    torch.manual_seed(0)
    config = CombinerConfig(dim=DIM, projection_dim=PROJECTION, hidden_dim=HIDDEN)
    return Combiner(config, ImageShape((MapShape(pooled, 2, 2),), pooled), TextShape(3, 3, sentence)).eval()


def naive_linear(layer: nn.Module, values: Vector) -> Vector:
    assert isinstance(layer, nn.Linear)
    return linear(layer.weight, layer.bias, values)


def naive_layer(layer: nn.Sequential, values: Vector) -> Vector:
    return [max(0.0, value) for value in naive_linear(layer[0], values)]


def naive_query(made: Combiner, picture: Vector, sentence: Vector) -> Vector:
    both = naive_layer(made.text_layer, sentence) + naive_layer(made.image_layer, picture)
    first, second = made.combine[0], made.blend[0]
    assert isinstance(first, nn.Sequential)
    assert isinstance(second, nn.Sequential)
    combined = naive_linear(made.combine[1], naive_layer(first, both))
    share = sigmoid(naive_linear(made.blend[1], naive_layer(second, both))[0])
    return [
        own + share * word + (1 - share) * pixel for own, word, pixel in zip(combined, sentence, picture, strict=True)
    ]


def test_the_query_is_a_learned_vector_beside_a_blend_of_the_two() -> None:
    made = composer(DIM, DIM)
    image, text = image_features(3, (DIM, 2, 2)), text_features(3, DIM)
    queries = made.compose(image, text)
    for query, picture, sentence in zip(queries, image.pooled.tolist(), text.sentence.tolist(), strict=True):
        assert_close(query, naive_query(made, picture, sentence))
    assert torch.equal(made.embed(image), image.pooled), "CLIP's vectors are taken as they are"


def test_other_encoders_are_projected_first() -> None:
    made = composer(3, 6)
    image, text = image_features(3, (3, 2, 2)), text_features(3, 6)
    queries = made.compose(image, text)
    for query, pooled, words in zip(queries, image.pooled.tolist(), text.sentence.tolist(), strict=True):
        picture, sentence = naive_linear(made.project, pooled), naive_linear(made.project_text, words)
        assert_close(query, naive_query(made, picture, sentence))
    assert made.embed(image).shape == (3, DIM)
