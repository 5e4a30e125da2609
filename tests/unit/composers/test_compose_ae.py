"""ComposeAE's rotation and its two ways back, against loops over every value."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from cirray.composers.compose_ae import ComposeAe, ComposeAeConfig
from cirray.encoders import ImageFeatures, ImageShape, MapShape, TextFeatures, TextShape
from tests.loops import Vector, assert_close, through, with_random_statistics
from tests.small_models import image_features, text_features

CHANNELS, TEXT, DIM, CONVOLUTIONS, WINDOWS = 3, 4, 6, 3, 4
IMAGE = ImageShape((MapShape(CHANNELS, 2, 2),), CHANNELS)


def composer(**settings: Any) -> ComposeAe:
    torch.manual_seed(0)
    config = ComposeAeConfig(dim=DIM, channels=CONVOLUTIONS, **settings)
    made = ComposeAe(config, IMAGE, TextShape(TEXT, TEXT, TEXT))
    with_random_statistics(made)
    return made.eval()


def inputs(batch: int = 3) -> tuple[ImageFeatures, TextFeatures]:
    return image_features(batch, *IMAGE.maps), text_features(batch, TEXT)


def naive_convolution(planes: list[Vector], layer: nn.Conv1d) -> list[Vector]:
    assert layer.bias is not None
    result = []
    for kernels, shift in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True):
        row = []
        for place in range(DIM):
            total = shift
            for kernel, values in zip(kernels, planes, strict=True):
                for step in (-1, 0, 1):
                    if 0 <= place + step < DIM:
                        total += kernel[step + 1] * values[place + step]
            row.append(total)
        result.append(row)
    return result


def naive_maxima(values: Vector) -> Vector:
    windows = []
    for number in range(WINDOWS):
        start, end = number * DIM // WINDOWS, math.ceil((number + 1) * DIM / WINDOWS)
        windows.append(max(values[start:end]))
    return windows


def naive_query(made: ComposeAe, pooled: Vector, sentence: Vector, sign: int) -> Vector:
    x = through(made.project, pooled)

    def turned(projection: Any) -> tuple[Vector, Vector, Vector, Vector]:
        z, delta = through(projection.lengths, x), through(projection.angles, sentence)
        real = [length * math.cos(angle) for length, angle in zip(z, delta, strict=True)]
        imaginary = [sign * length * math.sin(angle) for length, angle in zip(z, delta, strict=True)]
        return z, delta, real, imaginary

    _, _, real, imaginary = turned(made.for_linear)
    from_linear = through(made.linear, real + imaginary)
    z, delta, real, imaginary = turned(made.for_convolution)
    layer = made.convolution[0]
    assert isinstance(layer, nn.Conv1d)
    planes = naive_convolution([z, delta, x, real, imaginary], layer)
    from_convolution = through(made.after_convolution, [each for plane in planes for each in naive_maxima(plane)])
    a, b = made.weights.tolist()
    return [a * first + b * second for first, second in zip(from_linear, from_convolution, strict=True)]


def test_the_query_is_the_reference_turned_by_the_text() -> None:
    made, (image, text) = composer(), inputs()
    queries = made.compose(image, text)
    for query, pooled, sentence in zip(queries, image.pooled.tolist(), text.sentence.tolist(), strict=True):
        assert_close(query, naive_query(made, pooled, sentence, 1))


def test_the_way_back_turns_by_the_conjugate() -> None:
    made, (image, text) = composer(), inputs()
    back = made.compose_back(image, text)
    for query, pooled, sentence in zip(back, image.pooled.tolist(), text.sentence.tolist(), strict=True):
        assert_close(query, naive_query(made, pooled, sentence, -1))
    assert not torch.allclose(back, made.compose(image, text))


def test_conjugation_in_both_directions_is_that_of_rtics_code() -> None:
    made, (image, text) = composer(conjugation="always"), inputs()
    torch.testing.assert_close(made.compose(image, text), made.compose_back(image, text))
    torch.testing.assert_close(made.compose(image, text), composer().compose_back(image, text))


def test_the_weights_start_at_ten_and_one_and_learn() -> None:
    made, (image, text) = composer(), inputs()
    assert made.weights.tolist() == [10.0, 1.0]
    made.compose(image, text).sum().backward()
    assert made.weights.grad is not None
    assert bool((made.weights.grad != 0).all())


@pytest.mark.parametrize("batch", [1, 33, 70])
def test_a_batch_may_have_any_size(batch: int) -> None:
    made, (image, text) = composer(), inputs(batch)
    assert made.compose(image, text).shape == made.embed(image).shape == (batch, DIM)


def test_at_512_dimensions_the_convolution_gives_the_1024_values_of_the_released_code() -> None:
    made = ComposeAe(ComposeAeConfig(), ImageShape((MapShape(512, 7, 7),), 512), TextShape(300, 768, 768))
    norm = made.after_convolution[0]
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.num_features == 1024
