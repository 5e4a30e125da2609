"""FiLM, against loops over every position and channel."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cirray.composers.film import Film, FilmConfig
from cirray.encoders import ImageFeatures, ImageShape, MapShape, TextFeatures, TextShape
from cirray.errors import ConfigError
from tests.loops import Plane, Vector, assert_close, convolution, normal, through, with_random_statistics
from tests.small_models import image_features, text_features

CHANNELS, HEIGHT, WIDTH, BATCH, DIM = 3, 2, 3, 2, 5
IMAGE, TEXT = ImageShape((MapShape(2, 4, 6), MapShape(CHANNELS, HEIGHT, WIDTH)), CHANNELS), TextShape(3, 2, 2)


def composer(**settings: Any) -> Film:
    torch.manual_seed(0)
    made = Film(FilmConfig(dim=DIM, **settings), IMAGE, TEXT)
    with_random_statistics(made)
    return made.eval()


def inputs() -> tuple[ImageFeatures, TextFeatures]:
    return image_features(BATCH, *IMAGE.maps), text_features(BATCH, TEXT.sentence)


def each(planes: list[Plane], change: Any) -> list[Plane]:
    """Return `change(channel, value)` at every position."""
    return [[[change(c, value) for value in row] for row in plane] for c, plane in enumerate(planes)]


def naive_coordinates() -> list[Plane]:
    rows = [[-1 + 2 * y / (HEIGHT - 1)] * WIDTH for y in range(HEIGHT)]
    columns = [[-1 + 2 * x / (WIDTH - 1) for x in range(WIDTH)] for _ in range(HEIGHT)]
    return [rows, columns]


def naive_block(block: nn.Module, planes: list[Plane], gamma: Vector, beta: Vector) -> list[Plane]:
    assert isinstance(block.point, nn.Conv2d)
    assert isinstance(block.around, nn.Conv2d)
    assert isinstance(block.norm, nn.BatchNorm2d)
    norm = block.norm
    kept = each(convolution(planes, block.point), lambda c, value: max(0.0, value))
    changed = each(
        convolution(kept, block.around),
        lambda c, value: max(0.0, gamma[c] * normal(norm, c, value) + beta[c]),
    )
    return [
        [[a + b for a, b in zip(x, y, strict=True)] for x, y in zip(one, other, strict=True)]
        for one, other in zip(kept, changed, strict=True)
    ]


def naive_query(film: Film, image_map: Tensor, sentence: Tensor) -> Vector:
    planes: list[Plane] = image_map.tolist()
    modulation = through(film.modulate, sentence.tolist())
    width = film.project_query.in_features
    for number, block in enumerate(film.blocks):
        start = number * 2 * width
        gamma, beta = modulation[start : start + width], modulation[start + width : start + 2 * width]
        if film.config.scale == "one-plus-gamma":
            gamma = [1 + value for value in gamma]
        if film.config.coordinates:
            planes = planes + naive_coordinates()
        planes = naive_block(block, planes, gamma, beta)
    pooled = [sum(value for row in plane for value in row) / (HEIGHT * WIDTH) for plane in planes]
    return through(film.project_query, pooled)


@pytest.mark.parametrize(
    "settings",
    [{}, {"blocks": 1, "scale": "one-plus-gamma"}, {"blocks": 2, "width": 4, "coordinates": True}],
    ids=["three-blocks", "one-plus-gamma", "narrow-with-coordinates"],
)
def test_the_query_follows_the_residual_blocks(settings: dict[str, Any]) -> None:
    film, (image, text) = composer(**settings), inputs()
    assert len(film.blocks) == settings.get("blocks", 3)
    queries = film.compose(image, text)
    for row in range(BATCH):
        assert_close(queries[row], naive_query(film, image.maps[-1][row], text.sentence[row]))


def test_a_gallery_picture_is_its_projected_map() -> None:
    film, (image, _) = composer(), inputs()
    torch.testing.assert_close(film.embed(image), film.project(image.maps[-1].mean(dim=(2, 3))))


def test_another_level_can_be_chosen_if_the_encoder_has_it() -> None:
    film, (image, text) = composer(level=-2), inputs()
    assert film.compose(image, text).shape == film.embed(image).shape == (BATCH, DIM)
    with pytest.raises(ConfigError, match="levels -2, -1"):
        composer(level=-3)
