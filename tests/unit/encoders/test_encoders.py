"""The image and text encoders."""

from __future__ import annotations

import pytest
import torch

from cirray.config import override
from cirray.encoders import ImageShape, MapShape, Preprocessing
from cirray.encoders.images.small_cnn import SmallCnn, SmallCnnConfig
from cirray.encoders.texts.lstm import Lstm, LstmConfig
from cirray.errors import ConfigError
from tests.small_models import VOCABULARY


def test_small_cnn_gives_one_map_a_block_and_the_mean_of_the_last() -> None:
    encoder = SmallCnn(SmallCnnConfig(widths=(4, 6, 8), strides=(4, 2, 1))).eval()
    features = encoder(torch.randn(2, 3, 64, 64))
    assert [tuple(level.shape) for level in features.maps] == [(2, 4, 16, 16), (2, 6, 8, 8), (2, 8, 8, 8)]
    assert encoder.stride == 8
    assert encoder.shape(64, 64) == ImageShape((MapShape(4, 16, 16), MapShape(6, 8, 8), MapShape(8, 8, 8)), 8)
    expected = torch.stack([features.maps[-1][:, :, y, x] for y in range(8) for x in range(8)]).mean(0)
    torch.testing.assert_close(features.pooled, expected)


def test_small_cnn_refuses_widths_without_strides() -> None:
    with pytest.raises(ConfigError, match="one entry a block"):
        override(SmallCnnConfig(), ["widths=[8, 8]"])


def lstm() -> Lstm:
    torch.manual_seed(0)
    return Lstm(LstmConfig(word_dim=5, dim=7), VOCABULARY).eval()


def test_the_sentence_is_the_head_of_the_state_after_the_last_valid_word() -> None:
    encoder, tokens = lstm(), torch.tensor([[3, 1, 4], [1, 5, 0]])
    features = encoder(tokens, torch.tensor([3, 2]))
    for row, length in enumerate([3, 2]):
        alone, _ = encoder.lstm(encoder.words(tokens[row : row + 1, :length]))
        torch.testing.assert_close(features.sentence[row], encoder.head(alone[0, -1]))
        torch.testing.assert_close(features.states[row, :length], alone[0])
    assert features.mask.tolist() == [[True, True, True], [True, True, False]]
    assert bool((features.states[1, 2] == 0).all())


def test_a_text_has_the_same_vector_alone_and_beside_longer_ones() -> None:
    encoder = lstm()
    alone = encoder(torch.tensor([[9, 2]]), torch.tensor([2])).sentence[0]
    beside = encoder(torch.tensor([[9, 2, 0, 0], [1, 2, 3, 4]]), torch.tensor([2, 4])).sentence[0]
    torch.testing.assert_close(alone, beside)


def test_normalising_subtracts_the_mean_and_divides_by_the_deviation() -> None:
    preprocessing = Preprocessing(height=8, width=9, mean=(0.5, 0.25, 0.0), std=(0.5, 0.5, 1.0))
    pixels = torch.randint(0, 256, (2, 8, 9, 3), dtype=torch.uint8)
    normal = preprocessing.normalise(pixels)
    assert tuple(normal.shape) == (2, 3, 8, 9)
    for channel in range(3):
        value = pixels[1, 3, 5, channel].item() / 255
        expected = (value - preprocessing.mean[channel]) / preprocessing.std[channel]
        assert normal[1, channel, 3, 5].item() == pytest.approx(expected, abs=1e-5)
