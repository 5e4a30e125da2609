"""Layers as loops over plain numbers, for tests that compute a method's equations without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

Vector = list[float]
Plane = list[list[float]]


def with_random_statistics(module: nn.Module) -> None:
    """Give every batch norm in `module` statistics and weights that are not those of the start."""
    for each in module.modules():
        if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d):
            assert each.running_mean is not None
            assert each.running_var is not None
            nn.init.uniform_(each.running_mean, -0.5, 0.5)
            nn.init.uniform_(each.running_var, 0.5, 1.5)
            if each.affine:
                nn.init.uniform_(each.weight, 0.5, 1.5)
                nn.init.uniform_(each.bias, -0.5, 0.5)


def linear(weight: Tensor, bias: Tensor | None, values: Sequence[float]) -> Vector:
    """Return weight · values + bias."""
    shifts = bias.tolist() if bias is not None else [0.0] * len(weight)
    result = []
    for row, shift in zip(weight.tolist(), shifts, strict=True):
        total = shift
        for factor, value in zip(row, values, strict=True):
            total += factor * value
        result.append(total)
    return result


def through(layer: nn.Module, values: Sequence[float]) -> Vector:
    """Return what a layer in eval mode makes of one row; of a sequence of layers, what all make of it in turn."""
    match layer:
        case nn.Sequential():
            result = list(values)
            for each in layer:
                result = through(each, result)
            return result
        case nn.Linear():
            return linear(layer.weight, layer.bias, values)
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            return [normal(layer, channel, value) for channel, value in enumerate(values)]
        case nn.ReLU():
            return [max(0.0, value) for value in values]
        case nn.Tanh():
            return [math.tanh(value) for value in values]
        case nn.Dropout():
            return list(values)
        case _:
            raise AssertionError(f"no loop for {layer}")


def normal(norm: nn.BatchNorm1d | nn.BatchNorm2d, channel: int, value: float) -> float:
    """Return what a batch norm in eval mode makes of one value of a channel."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    mean, variance = norm.running_mean[channel].item(), norm.running_var[channel].item()
    scaled = (value - mean) / math.sqrt(variance + norm.eps)
    return scaled * norm.weight[channel].item() + norm.bias[channel].item() if norm.affine else scaled


def convolution(planes: Sequence[Plane], layer: nn.Conv2d) -> list[Plane]:
    """Return the planes that a convolution of stride 1, which keeps height and width, makes of `planes`."""
    height, width = len(planes[0]), len(planes[0][0])
    reach = layer.kernel_size[0] // 2
    shifts = layer.bias.tolist() if layer.bias is not None else [0.0] * layer.out_channels
    result = []
    for kernels, shift in zip(layer.weight.tolist(), shifts, strict=True):
        plane = [[shift] * width for _ in range(height)]
        for kernel, values in zip(kernels, planes, strict=True):
            for y in range(height):
                for x in range(width):
                    for dy in range(-reach, reach + 1):
                        for dx in range(-reach, reach + 1):
                            if 0 <= y + dy < height and 0 <= x + dx < width:
                                plane[y][x] += kernel[dy + reach][dx + reach] * values[y + dy][x + dx]
        result.append(plane)
    return result


def sigmoid(value: float) -> float:
    """Return 1 / (1 + exp(−value))."""
    return 1 / (1 + math.exp(-value))


def assert_close(given: Tensor, expected: Sequence[float]) -> None:
    """Fail unless a row of single precision has the expected values."""
    torch.testing.assert_close(given, torch.tensor(expected), rtol=1e-4, atol=1e-4)
