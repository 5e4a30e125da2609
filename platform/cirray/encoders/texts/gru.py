"""The GRU text encoder of SAC."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from cirray.encoders.features import TextFeatures, TextShape
from cirray.encoders.sequences import last_over_time, mask_of, states_of
from cirray.encoders.text_encoder import TextEncoder, WordsConfig, text_encoders
from cirray.encoders.vocabulary import Vocabulary
from cirray.encoders.word_vectors import embedding


class GruConfig(WordsConfig):
    """Settings of `Gru`.

    Attributes:
        dim: size of the GRU's state and of the sentence vector.
        layers: GRUs one upon the other.
    """

    name: Literal["gru"] = "gru"
    word_dim: int = Field(768, ge=1)
    dim: int = Field(1024, ge=1)
    layers: int = Field(1, ge=1)


@text_encoders.register("gru")
class Gru(TextEncoder):
    """Word vectors of 768, a GRU of 1,024, and the state after the last valid word as it is.

    The text encoder of "SAC: Semantic Attention Composition for Text-Conditioned Image Retrieval" (WACV 2022), whose
    word vectors are random or those of a BERT tuned for questions and answers, which no package ships: the nearest
    here is `words` "minilm". That the state of the last word is the sentence's is our reading; the paper says "GRU".
    """

    Config = GruConfig

    def __init__(self, config: GruConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self.shape = TextShape(words=config.word_dim, states=config.dim, sentence=config.dim)
        self.words = embedding(config.words, vocabulary, config.word_dim)
        self.gru = nn.GRU(config.word_dim, config.dim, config.layers, batch_first=True)

    def forward(self, tokens: Tensor, lengths: Tensor) -> TextFeatures:
        """Return the features of `tokens` (B, T) with `lengths` (B,)."""
        words = self.words(tokens)
        states = states_of(self.gru, words)
        mask = mask_of(tokens, lengths)
        return TextFeatures(words * mask[..., None], states * mask[..., None], mask, last_over_time(states, lengths))
