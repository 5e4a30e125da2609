"""Word vectors: what all kinds have in common, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from cirray.config import Choice
from cirray.encoders.initial_weights import initial_weights_wanted
from cirray.encoders.vocabulary import Vocabulary
from cirray.errors import ConfigError
from cirray.registry import Registry


class WordVectorsConfig(Choice):
    """Settings that all word vectors have.

    Attributes:
        trainable: whether training changes them.
    """

    trainable: bool = True


class WordVectors(ABC):
    """The vectors that words have before training. Afterwards they are weights of the model like all others."""

    Config: ClassVar[type[WordVectorsConfig]]

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def draw(self, words: Sequence[str], dim: int) -> Tensor:
        """Return a vector for each of `words`, (number, dim) float32; "" stands for unknown words.

        Raises:
            ConfigError: this kind has no vectors of that size, or its source is not at hand.
        """


word_vectors: Registry[type[WordVectors]] = Registry("kind of word vectors")


def embedding(config: WordVectorsConfig, vocabulary: Vocabulary, dim: int) -> nn.Embedding:
    """Return the table of a vocabulary's word vectors, (len(vocabulary), dim), each at its word's id.

    Where the weights are loaded right after, the source of the vectors is not asked.

    Raises:
        ConfigError: there are no vectors of that size, or their source is not at hand.
    """
    if initial_weights_wanted():
        vectors = word_vectors[config.name](config).draw(("", *vocabulary.words), dim)
    else:
        vectors = torch.zeros(len(vocabulary), dim)
    table: nn.Embedding = nn.Embedding.from_pretrained(vectors, freeze=not config.trainable)
    return table


def check_size(what: str, given: int, wanted: int) -> None:
    """Make sure that word vectors have the size that the encoder expects.

    Raises:
        ConfigError: they do not.
    """
    if given != wanted:
        raise ConfigError(
            f"{what} has vectors of size {given}; the text encoder's word_dim is {wanted}.",
            hint=f"Set model.text_encoder.word_dim to {given}.",
        )
