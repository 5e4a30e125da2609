"""TIRG over an attribute and an object, against loops over every value."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from cirray.composers.tirg_compositions import TirgCompositions, TirgCompositionsConfig
from cirray.encoders import ImageShape, MapShape, TextFeatures, TextShape
from tests.loops import Vector, assert_close, sigmoid, through, with_random_statistics
from tests.small_models import image_features, text_features

CHANNELS, DIM = 3, 4
IMAGE = ImageShape((MapShape(CHANNELS, 2, 2),), CHANNELS)


def composer(words: int) -> TirgCompositions:
    torch.manual_seed(0)
    made = TirgCompositions(TirgCompositionsConfig(dim=DIM), IMAGE, TextShape(words, 6, 6))
    with_random_statistics(made)
    return made.eval()


def texts(words: int, lengths: list[int]) -> TextFeatures:
    features = text_features(len(lengths), 6, length=max(lengths), words=words)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return replace(features, words=features.words * mask[..., None], mask=mask)


def naive_query(made: TirgCompositions, words: list[Vector], length: int) -> Vector:
    attribute, size = words[0], len(words[0])
    noun = [0.0] * size
    for place in range(1, length):
        noun = [total + value / (length - 1) for total, value in zip(noun, words[place], strict=True)]
    if size != DIM:
        noun = through(made.project_object, noun)
    gate, residual = through(made.gating.gate, noun + attribute), through(made.gating.residual, noun + attribute)
    kept, added = made.gating.weights.tolist()
    return [kept * sigmoid(g) * n + added * r for g, n, r in zip(gate, noun, residual, strict=True)]


@pytest.mark.parametrize("words", [DIM, 5])
def test_the_query_is_the_object_modified_by_the_attribute(words: int) -> None:
    made, text = composer(words), texts(words, [2, 3, 1])
    queries = made.compose(None, text)
    for query, row, mask in zip(queries, text.words.tolist(), text.mask, strict=True):
        assert_close(query, naive_query(made, row, int(mask.sum())))


def test_a_text_of_one_word_alone_is_an_attribute_of_nothing() -> None:
    made, text = composer(5), texts(5, [1, 1])
    query = made.compose(None, text)[0]
    assert_close(query, naive_query(made, text.words[0].tolist(), 1))


def test_which_word_is_the_attribute_matters() -> None:
    made, text = composer(DIM), texts(DIM, [2, 2])
    turned = replace(text, words=text.words.flip(1))
    assert not torch.allclose(made.compose(None, text), made.compose(None, turned))


def test_a_gradient_reaches_every_weight_and_both_words() -> None:
    made, text = composer(5).train(), texts(5, [2, 2, 2])
    words = nn.Parameter(text.words)
    image: Tensor = made.embed(image_features(3, *IMAGE.maps))
    (made.compose(None, replace(text, words=words)) * image).sum().backward()
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in made.parameters())
    assert words.grad is not None
    assert bool(words.grad.abs().sum(dim=2).all())
