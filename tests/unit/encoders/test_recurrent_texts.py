"""Recurrent text encoders: each text run on its own, and pooled by loops."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cirray.encoders.texts.bigru import BiGru, BiGruConfig, CurlingNetText, CurlingNetTextConfig
from cirray.encoders.texts.gru import Gru, GruConfig
from cirray.encoders.texts.lstm import Lstm, LstmConfig
from cirray.encoders.texts.max_pooled import (
    GruMax,
    GruMaxConfig,
    LstmGruMax,
    LstmGruMaxConfig,
    LstmMax,
    LstmMaxConfig,
)
from cirray.encoders.texts.mean_words import MeanWords, MeanWordsConfig
from tests.small_models import VOCABULARY

TOKENS = torch.tensor([[3, 1, 4, 1], [5, 9, 0, 0], [2, 0, 0, 0]])
LENGTHS = torch.tensor([4, 2, 1])


def rows() -> list[Tensor]:
    return [TOKENS[row, :length] for row, length in enumerate(LENGTHS.tolist())]


def greatest(states: Tensor) -> Tensor:
    """Return the greatest of each column, by comparing one number with the other."""
    best = [float("-inf")] * states.shape[1]
    for state in states.tolist():
        best = [new if new > old else old for new, old in zip(state, best, strict=True)]
    return torch.tensor(best)


def average(states: Tensor) -> Tensor:
    return torch.tensor([sum(column) / len(column) for column in zip(*states.tolist(), strict=True)])


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (LstmMax, LstmMaxConfig(word_dim=5, state_dim=4, dim=3)),
        (LstmMax, LstmMaxConfig(word_dim=5, state_dim=4, dim=3, layers=2)),
        (GruMax, GruMaxConfig(word_dim=5, state_dim=4, dim=3)),
        (LstmGruMax, LstmGruMaxConfig(word_dim=5, state_dim=4, dim=3)),
    ],
)
def test_the_greatest_states_of_the_text_s_own_words_count(kind: Any, config: Any) -> None:
    torch.manual_seed(0)
    encoder = kind(config, VOCABULARY).eval()
    with torch.no_grad():
        features = encoder(TOKENS, LENGTHS)
        for number, row in enumerate(rows()):
            states = torch.cat([network(encoder.words(row[None]))[0][0] for network in encoder.networks], dim=1)
            expected = encoder.head[1](greatest(states))
            torch.testing.assert_close(features.sentence[number], expected)
            torch.testing.assert_close(features.states[number, : len(row)], states)


def test_a_learned_start_is_the_state_before_the_first_word() -> None:
    torch.manual_seed(0)
    config = LstmGruMaxConfig(word_dim=5, state_dim=4, dim=3, learned_start=True)
    encoder = LstmGruMax(config, VOCABULARY).eval()
    lstm, gru = encoder.networks
    with torch.no_grad():
        for start in encoder.starts:
            start.normal_()
        states = encoder(TOKENS, LENGTHS).states
        for number, row in enumerate(rows()):
            words = encoder.words(row[None])
            first = lstm(words, (encoder.starts[0][0], encoder.starts[0][1]))[0]
            second = gru(words, encoder.starts[1][0])[0]
            torch.testing.assert_close(states[number, : len(row)], torch.cat([first, second], dim=2)[0])


def test_val_s_head_can_have_its_batch_norm_and_dropout() -> None:
    encoder = LstmMax(LstmMaxConfig(word_dim=5, state_dim=4, dim=3, dropout=0.1, batch_norm=True), VOCABULARY)
    assert [type(layer) for layer in encoder.head] == [nn.Dropout, nn.Linear, nn.BatchNorm1d]
    sentence = encoder(TOKENS, LENGTHS).sentence
    torch.testing.assert_close(sentence.mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)


def layers_of(network: nn.Module) -> tuple[int, float]:
    assert isinstance(network, nn.RNNBase)
    return network.num_layers, network.dropout


def test_rtic_s_two_layers_have_dropout_between_them_and_one_layer_has_none() -> None:
    both = LstmGruMax(LstmGruMaxConfig(word_dim=5, state_dim=4, dim=3), VOCABULARY)
    assert [layers_of(network) for network in both.networks] == [(2, 0.1), (2, 0.1)]
    one = LstmMax(LstmMaxConfig(word_dim=5, state_dim=4, dim=3, layer_dropout=0.1), VOCABULARY)
    assert [layers_of(network) for network in one.networks] == [(1, 0.0)]


def test_tirg_s_paper_takes_the_last_state_as_it_is() -> None:
    encoder = Lstm(LstmConfig(word_dim=5, dim=4, layers=2, head="none"), VOCABULARY).eval()
    with torch.no_grad():
        for number, row in enumerate(rows()):
            _, (last, _) = encoder.lstm(encoder.words(row[None]))
            torch.testing.assert_close(encoder(TOKENS, LENGTHS).sentence[number], last[-1, 0])


def test_sac_s_sentence_is_the_state_after_the_last_word() -> None:
    encoder = Gru(GruConfig(word_dim=5, dim=4, layers=2), VOCABULARY).eval()
    with torch.no_grad():
        for number, row in enumerate(rows()):
            _, last = encoder.gru(encoder.words(row[None]))
            torch.testing.assert_close(encoder(TOKENS, LENGTHS).sentence[number], last[-1, 0])


def test_bigru_reduces_the_mean_of_states_in_both_directions() -> None:
    encoder = BiGru(BiGruConfig(word_dim=5, state_dim=4, dim=3), VOCABULARY).eval()
    with torch.no_grad():
        features = encoder(TOKENS, LENGTHS)
        for number, row in enumerate(rows()):
            states, _ = encoder.gru(encoder.words(row[None]))
            torch.testing.assert_close(features.sentence[number], encoder.reduce(average(states[0])))
            torch.testing.assert_close(features.states[number, : len(row)], states[0])


def strongest(states: list[list[float]], weight: Tensor, bias: Tensor) -> list[float]:
    """Return the greatest leaky-ReLU answer of each filter, over all windows that hold at least one word."""
    filters, size, window = weight.shape
    found = []
    for number in range(filters):
        answers = []
        for first in range(1 - window, len(states)):
            answer = float(bias[number])
            for offset in range(window):
                if 0 <= first + offset < len(states):
                    for channel in range(size):
                        answer += float(weight[number, channel, offset]) * states[first + offset][channel]
            answers.append(answer if answer > 0 else 0.01 * answer)
        found.append(max(answers))
    return found


def test_curlingnet_puts_mean_convolutions_and_counts_side_by_side() -> None:
    torch.manual_seed(0)
    config = CurlingNetTextConfig(word_dim=5, state_dim=3, dim=2, windows=(2, 4), filters=3)
    encoder = CurlingNetText(config, VOCABULARY).eval()
    with torch.no_grad():
        features = encoder(TOKENS, LENGTHS)
        for number, row in enumerate(rows()):
            states = encoder.gru(encoder.words(row[None]))[0][0]
            expected = encoder.reduce(average(states)).tolist()
            for convolution in encoder.convolutions:
                weight, bias = (convolution.get_parameter(kind) for kind in ("weight", "bias"))
                expected += strongest(states.tolist(), weight, bias)
            expected += [row.tolist().count(word) for word in range(len(VOCABULARY))]
            torch.testing.assert_close(features.sentence[number], torch.tensor(expected))
    assert encoder.shape.sentence == 2 + 2 * 3 + len(VOCABULARY)


def test_words_are_averaged_and_may_begin_at_zero() -> None:
    encoder = MeanWords(MeanWordsConfig(word_dim=5), VOCABULARY)
    sentence = encoder(TOKENS, LENGTHS).sentence
    for number, row in enumerate(rows()):
        torch.testing.assert_close(sentence[number], average(encoder.words.weight[row]))
    zero = MeanWordsConfig.model_validate_json('{"word_dim": 5, "words": {"name": "random", "std": 0}}')
    encoder = MeanWords(zero, VOCABULARY)
    sentence = encoder(TOKENS, LENGTHS).sentence
    assert bool((sentence == 0).all())
    sentence.sum().backward()
    assert encoder.words.weight.grad is not None
    assert encoder.words.weight.grad[9].tolist() == [0.5] * 5
