"""Word vectors: where they come from, and what becomes of words that have none."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from cirray.encoders import Vocabulary, no_initial_weights
from cirray.encoders.texts.lstm import Lstm, LstmConfig
from cirray.encoders.word_vectors import embedding
from cirray.encoders.words.glove import Glove, GloveConfig
from cirray.encoders.words.minilm_vectors import MiniLmWordsConfig
from cirray.encoders.words.random_vectors import RandomWordsConfig
from cirray.errors import ConfigError
from cirray.storage import Location

WORDS = ("blue", "red", "turquoise")
VOCABULARY = Vocabulary(tokenizer="tirg", words=WORDS)
TEXT = "red 1 2.5 -3\nof the 7 8 9\ngreen 0 0 0\nblue 4 5e-1 6\n"


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "glove.3d.txt"
    path.write_text(TEXT)
    return str(path)


def drawn(*files: str, words: tuple[str, ...] = WORDS, dim: int = 3) -> torch.Tensor:
    return Glove(GloveConfig(files=files)).draw(words, dim)


def test_words_of_the_file_have_its_vectors(file: str) -> None:
    vectors = drawn(file)
    assert vectors.dtype == torch.float32
    assert vectors[:2].tolist() == [[4, 0.5, 6], [1, 2.5, -3]]


def test_other_words_have_a_vector_that_follows_from_the_word_alone(file: str) -> None:
    alone = drawn(file, words=("turquoise", "red", ""))
    assert torch.equal(drawn(file)[2], alone[0])
    assert not torch.equal(alone[0], alone[2])
    many = drawn(file, words=("red", *(f"x{number}" for number in range(4000))))[1:]
    assert float(many.std()) == pytest.approx(0.3, abs=0.01)
    assert float(many.mean()) == pytest.approx(0, abs=0.01)


def test_text_may_be_packed_or_have_the_first_line_of_word2vec(tmp_path: Path, file: str) -> None:
    packed, headed = tmp_path / "glove.txt.gz", tmp_path / "headed.txt"
    packed.write_bytes(gzip.compress(TEXT.encode()))
    headed.write_text(f"4 3\n{TEXT}")
    assert torch.equal(drawn(str(packed)), drawn(file))
    assert torch.equal(drawn(str(headed)), drawn(file))


def test_arrays_are_read_as_text_is(tmp_path: Path, file: str) -> None:
    path = tmp_path / "glove.npz"
    vectors = np.array([[1, 2.5, -3], [0, 0, 0], [4, 0.5, 6]], dtype=np.float16)
    np.savez_compressed(path, words=np.array(["red", "green", "blue"]), vectors=vectors)
    assert torch.equal(drawn(str(path)), drawn(file))


def test_a_word_that_one_of_several_files_lacks_is_drawn_whole(tmp_path: Path, file: str) -> None:
    other = tmp_path / "other.txt"
    other.write_text("red 7 8\n")
    vectors = drawn(file, str(other), dim=5)
    assert vectors[1].tolist() == [1, 2.5, -3, 7, 8]
    assert vectors[0].tolist()[:3] != [4, 0.5, 6]


def test_files_may_lie_in_a_bucket(place_uri: str, file: str) -> None:
    place = Location.parse(place_uri) / "vectors" / "glove.txt"
    place.write(TEXT.encode())
    assert torch.equal(drawn(place.uri), drawn(file))


def test_real_vectors_know_the_words_of_modification_texts(shared_data: Path) -> None:
    path = str(shared_data / "glove100_subset" / "glove100_subset_f16.npz")
    red, blue, table = drawn(path, words=("red", "blue", "parliament"), dim=100)
    near, far = torch.cosine_similarity(red, blue, dim=0), torch.cosine_similarity(red, table, dim=0)
    assert near > far + 0.3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read as word vectors: it is empty"),
        ("red one two three\n", "cannot be read as word vectors.*one"),
        ("red 1 nan 3\n", "cannot be read as word vectors: the vector of 'red' has values that are not finite"),
        ("rot 1 2 3\n", "has none of the vocabulary's 3 words"),
        ("red 1 2\n", "vectors of size 2; the text encoder's word_dim is 3. Set model.text_encoder.word_dim to 2"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        drawn(str(path))


def test_arrays_of_something_else_are_refused(tmp_path: Path) -> None:
    bad, other = tmp_path / "bad.npz", tmp_path / "other.npz"
    bad.write_bytes(b"no archive")
    np.savez(other, words=np.array(["red"]), vectors=np.zeros(3))
    for path in (bad, other):
        with pytest.raises(ConfigError, match=r"cannot be read as word vectors.*arrays words and vectors"):
            drawn(str(path))


def test_a_missing_file_is_told_with_the_setting_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no file of word vectors at .*gone\.txt.*model\.text_encoder\.words\.files"
    ):
        drawn(str(tmp_path / "gone.txt"))


def test_random_vectors_have_the_deviation_or_the_bound_that_is_set() -> None:
    words = Vocabulary(tokenizer="tirg", words=tuple(f"w{number}" for number in range(999)))
    torch.manual_seed(0)
    table = embedding(RandomWordsConfig(std=0.5), words, 50).weight
    assert float(table.detach().std()) == pytest.approx(0.5, abs=0.01)
    bound = math.sqrt(6 / 1050)
    table = embedding(RandomWordsConfig(spread="xavier"), words, 50).weight
    assert bound * 0.99 < float(table.detach().abs().max()) <= bound
    assert bool((embedding(RandomWordsConfig(std=0), words, 50).weight == 0).all())


def test_vectors_can_be_frozen(file: str) -> None:
    for trainable in (True, False):
        table = embedding(GloveConfig(files=(file,), trainable=trainable), VOCABULARY, 3)
        assert table.weight.requires_grad is trainable
    torch.testing.assert_close(table.weight[2], torch.tensor([1, 2.5, -3]))


def test_an_encoder_begins_with_them(file: str) -> None:
    encoder = Lstm(LstmConfig(word_dim=3, dim=4, words=GloveConfig(files=(file,))), VOCABULARY)
    words = encoder(torch.tensor([[1, 2]]), torch.tensor([2])).words
    assert words[0].tolist() == [[4, 0.5, 6], [1, 2.5, -3]]


def test_without_initial_weights_no_source_is_asked() -> None:
    with no_initial_weights():
        table = embedding(GloveConfig(files=("nowhere.txt",)), VOCABULARY, 3)
        assert tuple(table.weight.shape) == (4, 3)
        assert tuple(embedding(MiniLmWordsConfig(), VOCABULARY, 384).weight.shape) == (4, 384)
    with pytest.raises(ConfigError, match="nowhere"):
        embedding(GloveConfig(files=("nowhere.txt",)), VOCABULARY, 3)


def test_vectors_that_are_chosen_by_name_bring_their_own_settings() -> None:
    config = LstmConfig.model_validate_json('{"words": {"name": "glove", "files": ["a.txt"]}}')
    assert config.words == GloveConfig(files=("a.txt",))
    assert LstmConfig.model_validate_json(config.model_dump_json()) == config
    with pytest.raises(ConfigError, match=r"no setting fiels; the nearest are: files"):
        LstmConfig.model_validate_json('{"words": {"name": "glove", "fiels": ["a.txt"]}}')
