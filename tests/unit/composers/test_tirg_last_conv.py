"""TIRG's equations, against loops over every position and channel."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from cirray.composers.tirg_last_conv import TirgLastConv, TirgLastConvConfig
from cirray.encoders import ImageFeatures, ImageShape, MapShape, TextFeatures, TextShape
from tests.small_models import image_features, text_features

BATCH, CHANNELS, TEXT, SIZE, DIM = 2, 3, 2, 4, 5
IMAGE = ImageShape((MapShape(9, 8, 8), MapShape(CHANNELS, SIZE, SIZE)), CHANNELS)


def composer() -> TirgLastConv:
    torch.manual_seed(0)
    made = TirgLastConv(TirgLastConvConfig(dim=DIM), IMAGE, TextShape(3, TEXT, TEXT))
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return made.eval()


def inputs() -> tuple[ImageFeatures, TextFeatures]:
    return image_features(BATCH, *IMAGE.maps), text_features(BATCH, TEXT)


def naive_convolution(values: list[list[list[float]]], layer: nn.Conv2d) -> list[list[list[float]]]:
    weight, bias = layer.weight.tolist(), layer.bias.tolist() if layer.bias is not None else []
    result = []
    for out, kernels in enumerate(weight):
        plane = []
        for y in range(SIZE):
            row = []
            for x in range(SIZE):
                total = bias[out]
                for channel, kernel in enumerate(kernels):
                    for dy in range(3):
                        for dx in range(3):
                            if 0 <= y + dy - 1 < SIZE and 0 <= x + dx - 1 < SIZE:
                                total += kernel[dy][dx] * values[channel][y + dy - 1][x + dx - 1]
                row.append(total)
            plane.append(row)
        result.append(plane)
    return result


def naive_branch(joint: list[list[list[float]]], branch: nn.Sequential) -> list[list[list[float]]]:
    norm, first, _, second = branch
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    normal = [
        [
            [
                (value - norm.running_mean[c].item())
                / math.sqrt(norm.running_var[c].item() + norm.eps)
                * norm.weight[c].item()
                + norm.bias[c].item()
                for value in row
            ]
            for row in plane
        ]
        for c, plane in enumerate(joint)
    ]
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.Conv2d)
    hidden = [[[max(0.0, v) for v in row] for row in plane] for plane in naive_convolution(normal, first)]
    return naive_convolution(hidden, second)


def naive_query(tirg: TirgLastConv, image_map: Tensor, sentence: Tensor) -> list[float]:
    reference = image_map.tolist()
    joint = reference + [[[value] * SIZE for _ in range(SIZE)] for value in sentence.tolist()]
    gate, residual = naive_branch(joint, tirg.gate), naive_branch(joint, tirg.residual)
    gate_weight, residual_weight = tirg.weights.tolist()
    pooled = []
    for c in range(CHANNELS):
        total = 0.0
        for y in range(SIZE):
            for x in range(SIZE):
                opened = 1 / (1 + math.exp(-gate[c][y][x]))
                total += gate_weight * opened * reference[c][y][x] + residual_weight * residual[c][y][x]
        pooled.append(total / SIZE**2)
    weight, bias = tirg.project.weight.tolist(), tirg.project.bias.tolist()
    return [sum(w * p for w, p in zip(row, pooled, strict=True)) + b for row, b in zip(weight, bias, strict=True)]


def test_the_query_follows_equations_1_to_3() -> None:
    tirg, (image, text) = composer(), inputs()
    queries = tirg.compose(image, text)
    for row in range(BATCH):
        expected = naive_query(tirg, image.maps[-1][row], text.sentence[row])
        torch.testing.assert_close(queries[row], torch.tensor(expected), rtol=1e-4, atol=1e-4)


def test_the_weights_start_at_one_and_ten_and_learn() -> None:
    tirg, (image, text) = composer(), inputs()
    assert tirg.weights.tolist() == [1.0, 10.0]
    tirg.compose(image, text).sum().backward()
    assert tirg.weights.grad is not None
    assert bool((tirg.weights.grad != 0).all())


def test_a_gallery_picture_goes_through_the_same_projection() -> None:
    tirg, (image, _) = composer(), inputs()
    torch.testing.assert_close(tirg.embed(image), tirg.project(image.maps[-1].mean(dim=(2, 3))))


def test_the_explanation_is_gate_and_residual_between_zero_and_one() -> None:
    tirg, (image, text) = composer(), inputs()
    maps = tirg.explain(image, text)
    assert set(maps) == {"gate", "residual"}
    for values in maps.values():
        assert tuple(values.shape) == (BATCH, SIZE, SIZE)
        assert 0 <= values.min() <= values.max() <= 1
    assert maps["residual"].amax(dim=(1, 2)).tolist() == [1.0, 1.0]


def test_the_explanation_is_the_mean_gate_and_the_residual_s_length_at_each_position() -> None:
    tirg, (image, text) = composer(), inputs()
    maps = tirg.explain(image, text)
    for number in range(BATCH):
        sentence = [[[value] * SIZE for _ in range(SIZE)] for value in text.sentence[number].tolist()]
        joint = image.maps[-1][number].tolist() + sentence
        gate, residual = naive_branch(joint, tirg.gate), naive_branch(joint, tirg.residual)
        places = [(y, x) for y in range(SIZE) for x in range(SIZE)]
        opened = [sum(1 / (1 + math.exp(-plane[y][x])) for plane in gate) / CHANNELS for y, x in places]
        added = [math.sqrt(sum(plane[y][x] ** 2 for plane in residual)) for y, x in places]
        torch.testing.assert_close(maps["gate"][number].flatten(), torch.tensor(opened), rtol=1e-4, atol=1e-5)
        expected = torch.tensor([each / max(added) for each in added])
        torch.testing.assert_close(maps["residual"][number].flatten(), expected, rtol=1e-4, atol=1e-5)
