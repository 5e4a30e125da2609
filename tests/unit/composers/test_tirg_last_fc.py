"""TIRG on the pooled vector, against loops over every value."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from cirray.composers.tirg_last_fc import TirgLastFc, TirgLastFcConfig
from cirray.encoders import ImageShape, MapShape, TextShape
from tests.loops import assert_close, sigmoid, through, with_random_statistics
from tests.small_models import image_features, text_features

IMAGE, TEXT, DIM, BATCH = ImageShape((MapShape(3, 2, 2),), 3), TextShape(3, 2, 2), 5, 2
Branches = Literal["code", "paper"]


def composer(branches: Branches) -> TirgLastFc:
    torch.manual_seed(0)
    made = TirgLastFc(TirgLastFcConfig(dim=DIM, gate_weight=1.5, residual_weight=2.5, branches=branches), IMAGE, TEXT)
    with_random_statistics(made)
    return made.eval()


@pytest.mark.parametrize("branches", ["code", "paper"])
def test_the_query_follows_equation_1(branches: Branches) -> None:
    tirg, image, text = composer(branches), image_features(BATCH, *IMAGE.maps), text_features(BATCH, TEXT.sentence)
    queries = tirg.compose(image, text)
    for row in range(BATCH):
        vector = through(tirg.project, image.pooled[row].tolist())
        both = vector + text.sentence[row].tolist()
        gate, residual = through(tirg.gating.gate, both), through(tirg.gating.residual, both)
        expected = [1.5 * sigmoid(g) * x + 2.5 * r for g, x, r in zip(gate, vector, residual, strict=True)]
        assert_close(queries[row], expected)


def test_the_branches_of_code_and_paper_have_the_layers_of_each() -> None:
    def layers(branch: nn.Sequential) -> list[str]:
        return [type(layer).__name__ for layer in branch]

    code, paper = composer("code"), composer("paper")
    assert layers(code.gating.gate) == ["BatchNorm1d", "ReLU", "Linear"]
    assert layers(code.gating.residual) == ["BatchNorm1d", "ReLU", "Linear", "ReLU", "Linear"]
    assert (
        layers(paper.gating.gate)
        == layers(paper.gating.residual)
        == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    )


def test_at_512_dimensions_there_are_as_many_weights_as_in_the_released_code() -> None:
    vectors = ImageShape((MapShape(512, 7, 7),), 512)
    tirg = TirgLastFc(TirgLastFcConfig(), vectors, TextShape(512, 512, 512))
    batch_norms, gate = 2 * 2 * 1024, 1024 * 512 + 512
    residual = 1024 * 1024 + 1024 + 1024 * 512 + 512
    image_layer = 512 * 512 + 512
    assert sum(each.numel() for each in tirg.parameters()) == batch_norms + gate + residual + image_layer + 2


def test_the_explanation_has_one_position_and_says_how_much_of_the_query_is_new() -> None:
    tirg, image, text = composer("code"), image_features(BATCH, *IMAGE.maps), text_features(BATCH, TEXT.sentence)
    maps = tirg.explain(image, text)
    assert {name: tuple(values.shape) for name, values in maps.items()} == {
        "gate": (BATCH, 1, 1),
        "residual": (BATCH, 1, 1),
    }
    with torch.no_grad():
        tirg.gating.weights[0] = 0.0
    assert tirg.explain(image, text)["residual"].flatten().tolist() == [1.0, 1.0]
