"""MRN, against loops over every value."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from cirray.composers.mrn import Mrn, MrnConfig
from cirray.encoders import ImageShape, MapShape, TextShape
from tests.loops import Vector, assert_close, through
from tests.small_models import image_features, text_features

IMAGE, TEXT = ImageShape((MapShape(3, 2, 2),), 3), TextShape(4, 2, 2)
DIM, BATCH = 5, 2


def composer(blocks: int) -> Mrn:
    torch.manual_seed(0)
    return Mrn(MrnConfig(dim=DIM, blocks=blocks), IMAGE, TEXT).eval()


def naive_block(block: nn.Module, state: Vector, image: Vector) -> Vector:
    assert isinstance(block.image, nn.Sequential)
    first, second = (layer for layer in block.image if isinstance(layer, nn.Linear))
    assert isinstance(block.shortcut, nn.Linear)
    assert isinstance(block.text, nn.Linear)
    inner = [math.tanh(value) for value in through(first, image)]
    seen = [math.tanh(value) for value in through(second, inner)]
    asked = [math.tanh(value) for value in through(block.text, state)]
    kept = through(block.shortcut, state)
    return [k + a * s for k, a, s in zip(kept, asked, seen, strict=True)]


@pytest.mark.parametrize("blocks", [1, 3])
def test_the_query_is_the_last_block_s_state(blocks: int) -> None:
    mrn, image, text = composer(blocks), image_features(BATCH, *IMAGE.maps), text_features(BATCH, TEXT.sentence)
    assert len(mrn.blocks) == blocks
    queries = mrn.compose(image, text)
    for row in range(BATCH):
        state = text.sentence[row].tolist()
        for block in mrn.blocks:
            state = naive_block(block, state, image.pooled[row].tolist())
        assert_close(queries[row], state)


def test_there_is_no_dropout_unless_it_is_asked_for() -> None:
    image, text = image_features(BATCH, *IMAGE.maps), text_features(BATCH, TEXT.sentence)
    plain, dropping = composer(1).train(), Mrn(MrnConfig(dim=DIM, blocks=1, dropout=0.5), IMAGE, TEXT)
    assert torch.equal(plain.compose(image, text), plain.compose(image, text))
    torch.manual_seed(0)
    assert not torch.equal(dropping.compose(image, text), dropping.compose(image, text))
