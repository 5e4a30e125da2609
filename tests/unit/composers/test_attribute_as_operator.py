"""Attribute as Operator, against loops over the matrix of each text."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from cirray.composers.attribute_as_operator import AttributeAsOperator, AttributeAsOperatorConfig
from cirray.encoders import ImageShape, MapShape, TextShape
from cirray.errors import ConfigError
from tests.loops import assert_close, through
from tests.small_models import image_features, text_features

DIM, BATCH = 3, 2
IMAGE, TEXT = ImageShape((MapShape(4, 2, 2),), 4), TextShape(DIM * DIM, DIM * DIM, DIM * DIM)


def composer(*, rectify: bool = False) -> AttributeAsOperator:
    torch.manual_seed(0)
    return AttributeAsOperator(AttributeAsOperatorConfig(dim=DIM, rectify=rectify), IMAGE, TEXT).eval()


@pytest.mark.parametrize("rectify", [False, True])
def test_the_query_is_the_text_s_operator_times_the_reference(rectify: bool) -> None:
    model, image, text = composer(rectify=rectify), image_features(BATCH, *IMAGE.maps), text_features(BATCH, DIM**2)
    queries = model.compose(image, text)
    for row in range(BATCH):
        vector = through(model.project, image.pooled[row].tolist())
        if rectify:
            vector = [max(0.0, value) for value in vector]
        expected = []
        for i in range(DIM):
            total = 0.0
            for j in range(DIM):
                operator = text.sentence[row, i * DIM + j].item() + (1.0 if i == j else 0.0)
                total += operator * vector[j]
            expected.append(max(0.0, total) if rectify else total)
        assert_close(queries[row], expected)


@pytest.mark.parametrize("rectify", [False, True])
def test_an_operator_of_zeros_changes_nothing(rectify: bool) -> None:
    model, image = composer(rectify=rectify), image_features(BATCH, *IMAGE.maps)
    text = text_features(BATCH, DIM**2)
    unchanged = model.compose(image, replace(text, sentence=torch.zeros_like(text.sentence)))
    assert torch.equal(unchanged, model.embed(image))


def test_a_text_encoder_of_another_size_is_refused_with_what_would_fit() -> None:
    with pytest.raises(ConfigError, match=r"9 values.*gives 16.*word_dim: 9.*or model.composer.dim to 4"):
        AttributeAsOperator(AttributeAsOperatorConfig(dim=3), IMAGE, TextShape(16, 16, 16))
    with pytest.raises(ConfigError, match=r"512² = 262144 values.*gives 10.*std: 0}}\.$"):
        AttributeAsOperator(AttributeAsOperatorConfig(), IMAGE, TextShape(10, 10, 10))
