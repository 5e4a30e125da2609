"""Show and Tell, against an LSTM written as loops."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import nn

from cirray.composers.show_and_tell import ShowAndTell, ShowAndTellConfig
from cirray.encoders import ImageFeatures, ImageShape, MapShape, TextFeatures, TextShape
from tests.loops import Vector, assert_close, linear, sigmoid, through
from tests.small_models import image_features, text_features

IMAGE, TEXT = ImageShape((MapShape(3, 2, 2),), 3), TextShape(4, 2, 2)
DIM, HIDDEN, LENGTH = 5, 3, 4


def composer() -> ShowAndTell:
    torch.manual_seed(0)
    return ShowAndTell(ShowAndTellConfig(dim=DIM, hidden=HIDDEN), IMAGE, TEXT).eval()


def inputs(lengths: tuple[int, ...]) -> tuple[ImageFeatures, TextFeatures]:
    text = text_features(len(lengths), TEXT.sentence, length=LENGTH, words=TEXT.words)
    mask = torch.arange(LENGTH) < torch.tensor(lengths)[:, None]
    return image_features(len(lengths), *IMAGE.maps), replace(text, words=text.words * mask[..., None], mask=mask)


def naive_step(lstm: nn.LSTM, given: Vector, hidden: Vector, cell: Vector) -> tuple[Vector, Vector]:
    weights = dict(lstm.named_parameters())
    of_input = linear(weights["weight_ih_l0"], weights["bias_ih_l0"], given)
    of_state = linear(weights["weight_hh_l0"], weights["bias_hh_l0"], hidden)
    sums = [a + b for a, b in zip(of_input, of_state, strict=True)]
    new_hidden, new_cell = [], []
    for unit in range(HIDDEN):
        enters, keeps, candidate, leaves = (sums[gate * HIDDEN + unit] for gate in range(4))
        kept = sigmoid(keeps) * cell[unit] + sigmoid(enters) * math.tanh(candidate)
        new_cell.append(kept)
        new_hidden.append(sigmoid(leaves) * math.tanh(kept))
    return new_hidden, new_cell


def test_the_query_is_the_state_after_the_picture_and_every_word() -> None:
    lengths = (4, 1, 3)
    model, (image, text) = composer(), inputs(lengths)
    queries = model.compose(image, text)
    for row, length in enumerate(lengths):
        steps = [through(model.show, image.pooled[row].tolist()), *text.words[row, :length].tolist()]
        hidden, cell = [0.0] * HIDDEN, [0.0] * HIDDEN
        for given in steps:
            hidden, cell = naive_step(model.lstm, given, hidden, cell)
        assert_close(queries[row], through(model.head, hidden))


def test_the_padding_behind_a_text_does_not_count() -> None:
    model, (image, text) = composer(), inputs((2, 2))
    short = TextFeatures(text.words[:, :2], text.states[:, :2], text.mask[:, :2], text.sentence)
    torch.testing.assert_close(model.compose(image, text), model.compose(image, short))


def test_the_order_of_the_words_counts() -> None:
    model, (image, text) = composer(), inputs((4, 4))
    turned = replace(text, words=text.words.flip(1))
    assert not torch.allclose(model.compose(image, text), model.compose(image, turned))
