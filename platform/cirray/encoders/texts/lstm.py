"""The LSTM text encoder of TIRG."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from cirray.encoders.features import TextFeatures, TextShape
from cirray.encoders.sequences import last_over_time, mask_of, states_of
from cirray.encoders.text_encoder import TextEncoder, WordsConfig, text_encoders
from cirray.encoders.vocabulary import Vocabulary
from cirray.encoders.word_vectors import embedding


class LstmConfig(WordsConfig):
    """Settings of `Lstm`.

    Attributes:
        dim: size of the LSTM's state and of the sentence vector.
        layers: LSTMs one upon the other.
        head: "linear" puts dropout and a linear layer after the last state; "none" takes it as it is.
        dropout: share of the last state's values that are dropped before the linear layer.
    """

    name: Literal["lstm"] = "lstm"
    dim: int = Field(512, ge=1)
    layers: int = Field(1, ge=1)
    head: Literal["linear", "none"] = "linear"
    dropout: float = Field(0.1, ge=0, le=1)


@text_encoders.register("lstm")
class Lstm(TextEncoder):
    """Word vectors, an LSTM, and the state after the last valid word.

    Vo et al., "Composing Text and Image for Image Retrieval" (CVPR 2019), section 3. The paper takes the last
    hidden state as it is (`head` "none"); the released code puts dropout 0.1 and a linear layer after it, which we
    follow.
    """

    Config = LstmConfig

    def __init__(self, config: LstmConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self.shape = TextShape(words=config.word_dim, states=config.dim, sentence=config.dim)
        self.words = embedding(config.words, vocabulary, config.word_dim)
        self.lstm = nn.LSTM(config.word_dim, config.dim, config.layers, batch_first=True)
        linear = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.dim, config.dim))
        self.head = linear if config.head == "linear" else nn.Identity()

    def forward(self, tokens: Tensor, lengths: Tensor) -> TextFeatures:
        """Return the features of `tokens` (B, T) with `lengths` (B,)."""
        words = self.words(tokens)
        states = states_of(self.lstm, words)
        mask = mask_of(tokens, lengths)
        sentence = self.head(last_over_time(states, lengths))
        return TextFeatures(words * mask[..., None], states * mask[..., None], mask, sentence)
