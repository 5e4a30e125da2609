"""Word vectors from a frozen sentence encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from cirray.encoders import minilm
from cirray.encoders.sequences import mask_of
from cirray.encoders.splitting.word_pieces import MiniLmPieces
from cirray.encoders.vocabulary import Vocabulary
from cirray.encoders.word_vectors import WordVectors, WordVectorsConfig, check_size, word_vectors

_BATCH = 256


class MiniLmWordsConfig(WordVectorsConfig):
    """Settings of `MiniLmWords`."""

    name: Literal["minilm"] = "minilm"
    trainable: bool = False

    def packages(self) -> tuple[str, ...]:
        """Return the packages of weights and word pieces."""
        return minilm.PACKAGES


@word_vectors.register("minilm")
class MiniLmWords(WordVectors):
    """The vector (384, of unit length) that MiniLM gives to each word as if it were a sentence.

    In the place of the BERT vectors of SAC and ComposeAE, which came from networks that no package ships. Words do
    not see their neighbours here; text encoder `sentence` reads whole texts. With tokenizer `whole`, each of a
    closed set of texts has its sentence vector. Unknown words get the vector of the empty sentence.
    """

    Config = MiniLmWordsConfig

    def draw(self, words: Sequence[str], dim: int) -> Tensor:
        """Return the vectors (number of words, 384).

        Raises:
            ConfigError: `dim` is not 384, or the package of the weights is not installed.
        """
        check_size("MiniLM", minilm.DIM, dim)
        pieces = Vocabulary(tokenizer="minilm", words=MiniLmPieces.own_words())
        model = minilm.MiniLm(len(pieces)).eval()
        model.load_pretrained()
        vectors = torch.empty(len(words), dim)
        with torch.no_grad():
            for start in range(0, len(words), _BATCH):
                tokens, lengths = map(torch.from_numpy, pieces.encode(words[start : start + _BATCH]))
                mask = mask_of(tokens, lengths)
                vectors[start : start + _BATCH] = model.sentence(model(tokens, mask), mask)
        return vectors
