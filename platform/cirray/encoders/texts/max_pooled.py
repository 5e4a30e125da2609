"""Recurrent text encoders whose sentence vector is the greatest of their states: those of VAL and RTIC."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from cirray.encoders.features import TextFeatures, TextShape
from cirray.encoders.sequences import mask_of, maximum_over_time, states_of
from cirray.encoders.text_encoder import TextEncoder, WordsConfig, text_encoders
from cirray.encoders.vocabulary import Vocabulary
from cirray.encoders.word_vectors import embedding

Cell = type[nn.LSTM] | type[nn.GRU]


class MaxPooledConfig(WordsConfig):
    """Settings of `MaxPooled`.

    Attributes:
        state_dim: size of the state of each recurrent network.
        dim: size of the sentence vector.
        layers: recurrent networks one upon the other.
        layer_dropout: share of the values that are dropped between two of them; RTIC's code has 0.1.
        dropout: share of the values that are dropped before the linear layer; VAL's code has 0.1.
        batch_norm: whether batch norm follows the linear layer, as in VAL's code. Training then needs two texts in a
            batch.
        learned_start: whether the state before the first word is learned, as in VAL's code, rather than zero.
    """

    state_dim: int = Field(1024, ge=1)
    dim: int = Field(512, ge=1)
    layers: int = Field(1, ge=1)
    layer_dropout: float = Field(0.0, ge=0, lt=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    batch_norm: bool = False
    learned_start: bool = False


class MaxPooled(TextEncoder):
    """Word vectors, recurrent networks side by side, and a linear layer on the greatest of the states.

        sentence = W · max over the text's words of [h_1; h_2; …] + b

    VAL (Chen et al., CVPR 2020) and RTIC (Shin et al., 2021) pool over the words of the text in their papers. In the
    released codes the padding takes part, as zeros (VAL) or as states that go on after the end (RTIC), so that a
    query's vector depends on the texts beside it: here it never does.

    Attributes:
        cells: of the networks that stand side by side.
    """

    cells: ClassVar[tuple[Cell, ...]]

    def __init__(self, config: MaxPooledConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        states = config.state_dim * len(self.cells)
        self.shape = TextShape(words=config.word_dim, states=states, sentence=config.dim)
        self.words = embedding(config.words, vocabulary, config.word_dim)
        self.networks = nn.ModuleList(_network(cell, config) for cell in self.cells)
        self.starts = nn.ParameterList()
        if config.learned_start:
            # Of an LSTM both what it puts out and what it keeps.
            numbers = [2 if cell is nn.LSTM else 1 for cell in self.cells]
            shape = (config.layers, 1, config.state_dim)
            self.starts.extend(nn.Parameter(torch.zeros(number, *shape)) for number in numbers)
        norm = [nn.BatchNorm1d(config.dim)] if config.batch_norm else []
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(states, config.dim), *norm)

    def forward(self, tokens: Tensor, lengths: Tensor) -> TextFeatures:
        """Return the features of `tokens` (B, T) with `lengths` (B,)."""
        words, mask = self.words(tokens), mask_of(tokens, lengths)
        runs = [states_of(network, words, self._start(row, len(words))) for row, network in enumerate(self.networks)]
        states = torch.cat(runs, dim=2)
        sentence = self.head(maximum_over_time(states, mask))
        return TextFeatures(words * mask[..., None], states * mask[..., None], mask, sentence)

    def _start(self, row: int, batch: int) -> Any:
        """Return the state before the first word, in the form that the network takes, or None for zeros."""
        if not len(self.starts):
            return None
        start = cast(Tensor, self.starts[row]).expand(-1, -1, batch, -1).contiguous()
        return (start[0], start[1]) if len(start) == 2 else start[0]


def _network(cell: Cell, config: MaxPooledConfig) -> nn.Module:
    # torch warns of a dropout that has nothing to stand between.
    dropout = config.layer_dropout if config.layers > 1 else 0.0
    return cell(config.word_dim, config.state_dim, config.layers, batch_first=True, dropout=dropout)


class LstmMaxConfig(MaxPooledConfig):
    """Settings of `LstmMax`."""

    name: Literal["lstm-max"] = "lstm-max"


@text_encoders.register("lstm-max")
class LstmMax(MaxPooled):
    """An LSTM, max-pooled: VAL's text encoder (1,024 to 512), and RTIC's (1,024 to 1,024)."""

    Config = LstmMaxConfig
    cells = (nn.LSTM,)


class GruMaxConfig(MaxPooledConfig):
    """Settings of `GruMax`."""

    name: Literal["gru-max"] = "gru-max"


@text_encoders.register("gru-max")
class GruMax(MaxPooled):
    """A GRU, max-pooled: one of the two halves of RTIC's best text encoder, on its own."""

    Config = GruMaxConfig
    cells = (nn.GRU,)


class LstmGruMaxConfig(MaxPooledConfig):
    """Settings of `LstmGruMax`."""

    name: Literal["lstm-gru-max"] = "lstm-gru-max"
    layers: int = Field(2, ge=1)
    layer_dropout: float = Field(0.1, ge=0, lt=1)


@text_encoders.register("lstm-gru-max")
class LstmGruMax(MaxPooled):
    """An LSTM and a GRU of two layers side by side, each max-pooled: RTIC's text encoder in its "optimal" setting."""

    Config = LstmGruMaxConfig
    cells = (nn.LSTM, nn.GRU)
