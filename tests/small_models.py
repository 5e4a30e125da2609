"""Small models, batches and views for tests of encoders, composers and losses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cirray.composers import ComposerConfig, ModelConfig, Retriever, composers
from cirray.config import from_mapping
from cirray.encoders import ImageFeatures, Preprocessing, TextFeatures, Vocabulary, text_encoders
from cirray.encoders.images.small_cnn import SmallCnnConfig
from cirray.objectives import Batch, Texts, View

SIZE = 16
WORDS = tuple(f"w{number:02d}" for number in range(11))
VOCABULARY = Vocabulary(tokenizer="tirg", words=WORDS)

TEXT_ENCODERS: dict[str, dict[str, Any]] = {
    "attribute-as-operator": {"name": "words", "word_dim": 64},
    "show-and-tell": {"name": "words", "word_dim": 5},
    "tirg-compositions": {"name": "words", "word_dim": 5},
}
"""Of the composers that do not go together with every text encoder; all others have a small LSTM."""


def small_config(composer: str | ComposerConfig, **settings: Any) -> ModelConfig:
    """Return a model of a few hundred weights around a composer; `settings` are the composer's own."""
    if isinstance(composer, str):
        kind = composers[composer].Config
        sizes = {"dim": 8} if "dim" in kind.model_fields else {}
        composer = from_mapping(kind, {"name": composer, **sizes, **settings})
    worn = getattr(composer, "inner", composer)
    text = TEXT_ENCODERS.get(worn.name, {"name": "lstm", "word_dim": 5, "dim": 6})
    return ModelConfig(
        preprocessing=Preprocessing(height=SIZE, width=SIZE),
        image_encoder=SmallCnnConfig(widths=(4, 6, 6), strides=(2, 2, 2)),
        text_encoder=from_mapping(text_encoders[text["name"]].Config, text),
        composer=composer,
    )


def small_retriever(composer: str | ComposerConfig, **settings: Any) -> Retriever:
    """Return the model of `small_config`, its weights drawn from one seed."""
    torch.manual_seed(0)
    return Retriever(small_config(composer, **settings), VOCABULARY)


def small_batch(size: int = 4, length: int = 5, seed: int = 1, pixels: tuple[int, int] = (SIZE, SIZE)) -> Batch:
    """Return a batch of random pictures and texts; every third picture has no description."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (2, size, *pixels, 3), generator=generator, dtype=torch.uint8)
    tokens = torch.randint(1, len(VOCABULARY), (3, size, length), generator=generator)
    lengths = torch.full((size,), length)
    known = torch.arange(size) % 3 != 2
    return Batch(
        images[0], tokens[0], lengths, images[1], Texts(tokens[1], lengths, known), Texts(tokens[2], lengths, known)
    )


def fixed_view(model: Retriever | None = None, *, epoch: int = 1, **values: Any) -> View:
    """Return a view that has the given values ("queries", "targets", …) instead of what a model would make."""
    view = View(model or small_retriever("image-only"), small_batch(2), epoch)
    view.__dict__.update(values)
    return view


def image_features(batch: int, *maps: tuple[int, int, int], seed: int = 1) -> ImageFeatures:
    """Return random features with maps of the given (channels, height, width)."""
    generator = torch.Generator().manual_seed(seed)
    made = tuple(torch.randn(batch, *shape, generator=generator) for shape in maps)
    return ImageFeatures(made, made[-1].mean(dim=(2, 3)))


def text_features(batch: int, sentence: int, *, length: int = 1, words: int = 3, seed: int = 2) -> TextFeatures:
    """Return random features of texts that all have `length` words."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    mask = torch.ones(batch, length, dtype=torch.bool)
    return TextFeatures(random(batch, length, words), random(batch, length, sentence), mask, random(batch, sentence))
