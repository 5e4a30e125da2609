"""Text encoders: what all have in common, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

from pydantic import Field, SerializeAsAny
from torch import Tensor, nn

from cirray.config import Choice, chosen_from
from cirray.encoders.features import TextFeatures, TextShape
from cirray.encoders.vocabulary import Vocabulary
from cirray.encoders.word_vectors import WordVectorsConfig, word_vectors
from cirray.encoders.words.random_vectors import RandomWordsConfig
from cirray.registry import Registry


class WordsConfig(Choice):
    """Settings of text encoders that have a vector for each word of the vocabulary.

    Attributes:
        word_dim: size of the word vectors.
        words: what they are before training.
    """

    word_dim: int = Field(512, ge=1)
    words: Annotated[SerializeAsAny[WordVectorsConfig], chosen_from(word_vectors)] = RandomWordsConfig()


class TextEncoder(nn.Module, ABC):
    """From token ids to word vectors, token states and a sentence vector.

    The features of a text must not depend on the texts beside it in the batch.

    Attributes:
        shape: sizes of the features.
    """

    Config: ClassVar[type[Choice]]
    shape: TextShape

    def __init__(self, config: Choice, vocabulary: Vocabulary) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, tokens: Tensor, lengths: Tensor) -> TextFeatures:
        """Return the features of `tokens`, (B, T) int64 padded with 0, of which `lengths` (B,) ≥ 1 count."""


text_encoders: Registry[type[TextEncoder]] = Registry("text encoder")
