"""JVSM's composition, against loops."""

from __future__ import annotations

import math

import torch
from torch import nn

from cirray.composers.jvsm import Jvsm, JvsmConfig
from cirray.encoders import ImageFeatures, ImageShape, MapShape, TextFeatures, TextShape
from tests.small_models import image_features, text_features

BATCH, DIM, TEXT = 3, 4, 3
IMAGE = ImageShape((MapShape(5, 2, 2),), 5)

Row = list[float]


def composer() -> Jvsm:
    torch.manual_seed(0)
    made = Jvsm(JvsmConfig(dim=DIM, gate_weight=0.8, residual_weight=1.5), IMAGE, TextShape(3, TEXT, TEXT))
    for module in made.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return made.eval()


def inputs() -> tuple[ImageFeatures, TextFeatures]:
    return image_features(BATCH, *IMAGE.maps), text_features(BATCH, TEXT)


def linear(values: Row, layer: nn.Module) -> Row:
    assert isinstance(layer, nn.Linear)
    rows, bias = layer.weight.tolist(), layer.bias.tolist()
    return [sum(w * v for w, v in zip(row, values, strict=True)) + b for row, b in zip(rows, bias, strict=True)]


def normed(values: Row, layer: nn.Module) -> Row:
    assert isinstance(layer, nn.BatchNorm1d)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    mean, var = layer.running_mean.tolist(), layer.running_var.tolist()
    return [max(0.0, (v - m) / math.sqrt(s + layer.eps)) for v, m, s in zip(values, mean, var, strict=True)]


def test_the_query_is_gated_reference_and_residual() -> None:
    jvsm, (image, text) = composer(), inputs()
    queries, gating = jvsm.compose(image, text), jvsm.gating
    for row in range(BATCH):
        picture = linear(image.pooled[row].tolist(), jvsm.project)
        words = linear(text.sentence[row].tolist(), jvsm.project_text)
        gate = linear(normed(picture + words, gating.gate[0]), gating.gate[2])
        hidden = linear(normed(picture + words, gating.residual[0]), gating.residual[2])
        residual = linear([max(0.0, v) for v in hidden], gating.residual[4])
        expected = [0.8 * v / (1 + math.exp(-g)) + 1.5 * r for v, g, r in zip(picture, gate, residual, strict=True)]
        torch.testing.assert_close(queries[row], torch.tensor(expected), rtol=1e-4, atol=1e-5)


def test_descriptions_and_modifications_are_read_alike() -> None:
    jvsm, (image, text) = composer(), inputs()
    assert jvsm.describes
    described = jvsm.describe(text)
    assert described.shape == jvsm.embed(image).shape == (BATCH, DIM)
    for row in range(BATCH):
        expected = linear(text.sentence[row].tolist(), jvsm.project_text)
        torch.testing.assert_close(described[row], torch.tensor(expected))
