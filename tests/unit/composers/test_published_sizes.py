"""Numbers of weights, as docs/methods.md compares them with published ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from cirray.composers import ComposerConfig, ModelConfig, Retriever
from cirray.composers.compose_ae import ComposeAeConfig
from cirray.composers.sac import SacConfig
from cirray.composers.tirg_last_fc import TirgLastFcConfig
from cirray.composers.val import ValConfig
from cirray.config import Choice
from cirray.encoders import Preprocessing, Vocabulary, no_initial_weights
from cirray.encoders.images.resnet import ResNetConfig
from cirray.encoders.texts.gru import GruConfig
from cirray.encoders.texts.lstm import LstmConfig
from cirray.encoders.texts.max_pooled import LstmMaxConfig

PAGE = Path(__file__).resolve().parents[3] / "docs" / "methods.md"

MODELS: dict[str, tuple[ComposerConfig, ResNetConfig, Choice, int]] = {
    "tirg-last-fc": (TirgLastFcConfig(), ResNetConfig(depth=18), LstmConfig(), 224),
    "compose-ae": (ComposeAeConfig(), ResNetConfig(depth=18), LstmConfig(), 224),
    "val": (ValConfig(), ResNetConfig(depth=50, levels=(2, 3, 4)), LstmMaxConfig(word_dim=512), 256),
    "val (code's form)": (
        ValConfig(batch_norm=True, rectified_gates=True, split_heads=True),
        ResNetConfig(depth=50, levels=(2, 3, 4)),
        LstmMaxConfig(word_dim=512, batch_norm=True, learned_start=True),
        256,
    ),
    "sac, ResNet-18": (SacConfig(), ResNetConfig(depth=18), GruConfig(), 224),
    "sac, ResNet-50": (SacConfig(), ResNetConfig(depth=50), GruConfig(), 224),
}


def without_words(name: str) -> float:
    """Return the millions of weights of a model but for its word vectors."""
    composer, image, text, side = MODELS[name]
    preprocessing = Preprocessing(height=side, width=side)
    config = ModelConfig(preprocessing=preprocessing, image_encoder=image, text_encoder=text, composer=composer)
    with torch.device("meta"), no_initial_weights():
        model = Retriever(config, Vocabulary(tokenizer="tirg", words=("red",)))
    words = sum(weight.numel() for key, weight in model.named_parameters() if key.endswith("words.weight"))
    return (sum(weight.numel() for weight in model.parameters()) - words) / 1e6


@pytest.mark.parametrize("name", MODELS)
def test_the_page_has_the_number_that_the_model_has(name: str) -> None:
    row = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| {name} |"))
    told = re.findall(r"([\d.]+) M", row)
    assert float(told[0]) == pytest.approx(without_words(name), abs=0.005)
