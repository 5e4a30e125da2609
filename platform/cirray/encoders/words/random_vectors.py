"""Word vectors that are drawn at random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cirray.encoders.word_vectors import WordVectors, WordVectorsConfig, word_vectors


class RandomWordsConfig(WordVectorsConfig):
    """Settings of `RandomWords`.

    Attributes:
        spread: "normal", with standard deviation `std`, or "xavier", uniform within √(6 / (words + size)) of zero.
        std: of the normal distribution; 0 begins with zeros.
    """

    name: Literal["random"] = "random"
    spread: Literal["normal", "xavier"] = "normal"
    std: float = Field(1.0, ge=0)


@word_vectors.register("random")
class RandomWords(WordVectors):
    """Vectors drawn from N(0, 1), as in TIRG's code and torch's embeddings, or as VAL's code without GloVe does."""

    Config = RandomWordsConfig

    def __init__(self, config: RandomWordsConfig) -> None:
        super().__init__(config)
        self.spread, self.std = config.spread, config.std

    def draw(self, words: Sequence[str], dim: int) -> Tensor:
        """Return random vectors (number of words, dim), from torch's generator."""
        if self.spread == "xavier":
            bound = math.sqrt(6 / (len(words) + dim))
            return torch.empty(len(words), dim).uniform_(-bound, bound)
        return torch.randn(len(words), dim) * self.std
