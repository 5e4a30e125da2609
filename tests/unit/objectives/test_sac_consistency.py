"""SAC's consistency loss, against loops and over workers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cirray.composers.sac import Sac
from cirray.errors import ConfigError
from cirray.objectives import LossValue, View
from cirray.objectives.sac_consistency import SacConsistency, SacConsistencyConfig
from tests.small_models import fixed_view, small_retriever, text_features
from tests.two_workers import Rows, run_two_workers

ROWS, DIM, TEXT = 6, 8, 6


def made_loss(composer: str = "sac") -> SacConsistency:
    return SacConsistency(SacConsistencyConfig(text_weight=0.7, image_weight=0.4), small_retriever(composer))


def rows() -> dict[str, Tensor]:
    both = torch.randn(2, ROWS, DIM, generator=torch.Generator().manual_seed(0))
    sentence = torch.randn(ROWS, TEXT, generator=torch.Generator().manual_seed(1))
    return {"queries": both[0], "targets": both[1], "sentence": sentence}


def view(given: Rows, composer: str = "sac") -> View:
    text = replace(text_features(len(given["queries"]), TEXT), sentence=given["sentence"])
    return fixed_view(small_retriever(composer), queries=given["queries"], targets=given["targets"], text=text)


def linear(values: list[float], layer: nn.Module) -> list[float]:
    assert isinstance(layer, nn.Linear)
    weights, bias = layer.weight.tolist(), layer.bias.tolist()
    return [sum(w * v for w, v in zip(row, values, strict=True)) + b for row, b in zip(weights, bias, strict=True)]


@pytest.mark.parametrize("composer", ["sac", "text-only"])
def test_the_loss_is_the_distance_to_text_and_target(composer: str) -> None:
    made, seen = made_loss(composer), view(rows(), composer)
    queries, targets, sentences = (each.tolist() for each in rows().values())
    text = image = 0.0
    for query, target, sentence in zip(queries, targets, sentences, strict=True):
        used = seen.model.composer
        words = linear(sentence, used.project_text) if isinstance(used, Sac) else sentence
        text += math.dist(linear(query, made.to_text), words) / ROWS
        image += math.dist(linear(query, made.to_image), target) / ROWS
    value: LossValue = made(seen)
    assert math.isclose(value.total.item(), 0.7 * text + 0.4 * image, rel_tol=1e-5)
    assert math.isclose(value.parts["text"].item(), text, rel_tol=1e-5)
    assert math.isclose(value.parts["image"].item(), image, rel_tol=1e-5)


def test_the_paper_s_weights_are_the_default() -> None:
    assert (SacConsistencyConfig().text_weight, SacConsistencyConfig().image_weight) == (1.0, 0.1)


def test_a_text_encoder_that_ran_in_bf16_is_understood() -> None:
    given = rows()
    exact: LossValue = made_loss()(view(given))
    rounded: LossValue = made_loss()(view({**given, "sentence": given["sentence"].bfloat16()}))
    assert rounded.total.dtype == torch.float32
    torch.testing.assert_close(rounded.total, exact.total, rtol=1e-2, atol=0)


def test_a_composer_without_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="'image-only' uses none"):
        made_loss("image-only")


def test_two_workers_with_half_the_batch_give_the_gradients_of_one_with_all(tmp_path: Path) -> None:
    torch.testing.assert_close(*run_two_workers(made_loss, rows(), tmp_path, view))
