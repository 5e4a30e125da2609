"""The bidirectional GRU of CurlingNet, alone and with its convolutions and its bag of words."""

from __future__ import annotations

from typing import ClassVar, Literal, cast

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from cirray.config import Choice
from cirray.encoders.features import TextFeatures, TextShape
from cirray.encoders.sequences import mask_of, mean_over_time, states_of
from cirray.encoders.text_encoder import TextEncoder, WordsConfig, text_encoders
from cirray.encoders.vocabulary import Vocabulary
from cirray.encoders.word_vectors import embedding


class BiGruConfig(WordsConfig):
    """Settings of `BiGru`.

    Attributes:
        state_dim: size of the state of each direction.
        dim: size of what the linear layer puts out.
        dropout: share of the values that are dropped before the linear layer.
    """

    name: Literal["bigru"] = "bigru"
    word_dim: int = Field(500, ge=1)
    state_dim: int = Field(500, ge=1)
    dim: int = Field(500, ge=1)
    dropout: float = Field(0.2, ge=0, lt=1)


@text_encoders.register("bigru")
class BiGru(TextEncoder):
    """Word vectors, a GRU in both directions, and a linear layer on the mean of its states.

        sentence = W · mean over the text's words of [→h; ←h] + b

    The second of the three parts of CurlingNet's text encoder. The backward direction begins at each text's own last
    word.
    """

    Config: ClassVar[type[Choice]] = BiGruConfig

    def __init__(self, config: BiGruConfig | CurlingNetTextConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self.shape = TextShape(words=config.word_dim, states=2 * config.state_dim, sentence=config.dim)
        self.words = embedding(config.words, vocabulary, config.word_dim)
        self.gru = nn.GRU(config.word_dim, config.state_dim, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(config.dropout)
        self.reduce = nn.Linear(2 * config.state_dim, config.dim)

    def forward(self, tokens: Tensor, lengths: Tensor) -> TextFeatures:
        """Return the features of `tokens` (B, T) with `lengths` (B,)."""
        words, mask = self.words(tokens), mask_of(tokens, lengths)
        packed = pack_padded_sequence(words, lengths.cpu(), batch_first=True, enforce_sorted=False)
        # Zero beyond the end of each text.
        states, _ = pad_packed_sequence(states_of(self.gru, packed), batch_first=True, total_length=tokens.shape[1])
        sentence = self._sentence(states, tokens, mask)
        return TextFeatures(words * mask[..., None], states, mask, sentence)

    def _sentence(self, states: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        return cast(Tensor, self.reduce(self.dropout(mean_over_time(states, mask))))


class CurlingNetTextConfig(WordsConfig):
    """Settings of `CurlingNetText`.

    Attributes:
        state_dim: size of the state of each direction.
        dim: size of what the linear layer puts out.
        dropout: share of the values that are dropped before the linear layer, and of what the convolutions put out.
        windows: how many words each convolution sees at once.
        filters: channels that each convolution puts out.
    """

    name: Literal["curlingnet"] = "curlingnet"
    word_dim: int = Field(500, ge=1)
    state_dim: int = Field(500, ge=1)
    dim: int = Field(500, ge=1)
    dropout: float = Field(0.2, ge=0, lt=1)
    windows: tuple[PositiveInt, ...] = Field((2, 3, 4), min_length=1)
    filters: int = Field(512, ge=1)


@text_encoders.register("curlingnet")
class CurlingNetText(BiGru):
    """The text encoder of CurlingNet's released code: `bigru`, convolutions over its states, and a bag of words.

        sentence = [W · mean_i h_i + b;  max_p leaky_relu(conv_k(h)_p) for each window k;  counts of the words]

    with h_i = [→h_i; ←h_i], and windows that reach over the text's ends by up to k − 1 zeros, so that a text may be
    shorter than a window. In the code a text beside a longer one has further windows that hold nothing but zeros;
    here only windows with a word count, which is what the code gives to a text alone. The counts, one for each id of
    the vocabulary, are raw numbers as in the code; the first is that of unknown words.

    After Dong et al., "Dual Encoding for Zero-Example Video Retrieval" (CVPR 2019). CurlingNet has two of these, for
    the reference's side and the target's, over one table of word vectors; a composer with a second encoder has two
    tables here.
    """

    Config = CurlingNetTextConfig

    def __init__(self, config: CurlingNetTextConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self.num_ids = len(vocabulary)
        sentence = config.dim + len(config.windows) * config.filters + self.num_ids
        self.shape = TextShape(words=config.word_dim, states=2 * config.state_dim, sentence=sentence)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(2 * config.state_dim, config.filters, window, padding=window - 1) for window in config.windows
        )

    def _sentence(self, states: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        mean = super()._sentence(states, tokens, mask)
        found = [self._strongest(cast(nn.Conv1d, convolution), states, mask) for convolution in self.convolutions]
        counts = mean.new_zeros(len(tokens), self.num_ids).scatter_add(1, tokens, mask.to(mean.dtype))
        return torch.cat([mean, self.dropout(torch.cat(found, dim=1)), counts], dim=1)

    def _strongest(self, convolution: nn.Conv1d, states: Tensor, mask: Tensor) -> Tensor:
        """Return the greatest answer (B, F) of each filter over the windows that hold a word."""
        answers = F.leaky_relu(convolution(states.transpose(1, 2)))
        num_windows = mask.sum(dim=1) + convolution.kernel_size[0] - 1
        beyond = torch.arange(answers.shape[2], device=answers.device) >= num_windows[:, None]
        return answers.masked_fill(beyond[:, None], -torch.inf).amax(dim=2)
