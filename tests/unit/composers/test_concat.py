"""Concatenation, against loops over every value."""

from __future__ import annotations

import torch

from cirray.composers.concat import Concat, ConcatConfig
from cirray.encoders import ImageShape, MapShape, TextShape
from tests.loops import assert_close, through, with_random_statistics
from tests.small_models import image_features, text_features

IMAGE, TEXT, DIM = ImageShape((MapShape(3, 2, 2),), 3), TextShape(3, 2, 2), 5


def composer() -> Concat:
    torch.manual_seed(0)
    made = Concat(ConcatConfig(dim=DIM, dropout=0.3), IMAGE, TEXT)
    with_random_statistics(made)
    return made.eval()


def test_the_query_is_two_layers_on_both_vectors() -> None:
    concat, image, text = composer(), image_features(2, *IMAGE.maps), text_features(2, TEXT.sentence)
    queries = concat.compose(image, text)
    for row in range(2):
        joint = through(concat.project, image.pooled[row].tolist()) + text.sentence[row].tolist()
        assert len(joint) == DIM + TEXT.sentence
        assert_close(queries[row], through(concat.mix, joint))


def test_the_layers_stand_in_the_order_of_the_released_code() -> None:
    names = [type(layer).__name__ for layer in composer().mix]
    assert names == ["BatchNorm1d", "ReLU", "Linear", "BatchNorm1d", "ReLU", "Dropout", "Linear"]


def test_a_gallery_picture_has_the_vector_that_is_concatenated() -> None:
    concat, image = composer(), image_features(2, *IMAGE.maps)
    torch.testing.assert_close(concat.embed(image), concat.project(image.pooled))


def test_dropout_is_a_setting() -> None:
    concat, image, text = composer().train(), image_features(2, *IMAGE.maps), text_features(2, TEXT.sentence)
    torch.manual_seed(1)
    first = concat.compose(image, text)
    torch.manual_seed(2)
    assert not torch.equal(first, concat.compose(image, text))
