"""The LSTM text encoder of TIRG."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cirray.config import Choice
from cirray.encoders.features import TextFeatures, TextShape
from cirray.encoders.text_encoder import TextEncoder, text_encoders
from cirray.encoders.vocabulary import Vocabulary


class LstmConfig(Choice):
    """Settings of `Lstm`.

    Attributes:
        word_dim: size of the learned word vectors.
        dim: size of the LSTM's state and of the sentence vector.
        dropout: share of the last state's values that are dropped before the linear layer.
    """

    name: Literal["lstm"] = "lstm"
    word_dim: int = Field(512, ge=1)
    dim: int = Field(512, ge=1)
    dropout: float = Field(0.1, ge=0, le=1)


@text_encoders.register("lstm")
class Lstm(TextEncoder):
    """Word vectors, a one-layer LSTM, and the state after the last valid word.

    Vo et al., "Composing Text and Image for Image Retrieval" (CVPR 2019), section 3. The paper takes the last
    hidden state as it is; the released code puts dropout 0.1 and a linear layer after it. We follow the code.
    """

    Config = LstmConfig

    def __init__(self, config: LstmConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self.shape = TextShape(words=config.word_dim, states=config.dim, sentence=config.dim)
        self.words = nn.Embedding(len(vocabulary), config.word_dim)
        self.lstm = nn.LSTM(config.word_dim, config.dim, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.dim, config.dim))

    def forward(self, tokens: Tensor, lengths: Tensor) -> TextFeatures:
        """Return the features of `tokens` (B, T) with `lengths` (B,)."""
        words = self.words(tokens)
        states, _ = self.lstm(words)
        mask = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        last = states[torch.arange(len(tokens), device=tokens.device), lengths - 1]
        return TextFeatures(words * mask[..., None], states * mask[..., None], mask, self.head(last))
