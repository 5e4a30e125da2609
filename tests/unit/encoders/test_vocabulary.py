"""Vocabularies: stable ids."""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirray.encoders import Vocabulary, tokenizers
from cirray.encoders.tokenizer import Tokenizer
from cirray.errors import ConfigError, UnknownNameError

TEXTS = ["make circle red", "add small blue circle", "remove red object"]


def test_ids_follow_the_alphabet_and_not_the_order_of_the_texts() -> None:
    shuffled = list(TEXTS)
    random.Random(1).shuffle(shuffled)
    assert Vocabulary.of(TEXTS) == Vocabulary.of(shuffled)
    assert Vocabulary.of(TEXTS).words == ("add", "blue", "circle", "make", "object", "red", "remove", "small")


def test_encoding_pads_with_zero_and_drops_unknown_words() -> None:
    ids, lengths = Vocabulary.of(TEXTS).encode(["make the circle red", "Circle!", "add small blue circle"])
    assert ids.tolist() == [[4, 3, 6, 0], [3, 0, 0, 0], [1, 8, 2, 3]]
    assert lengths.tolist() == [3, 1, 4]
    assert ids.dtype == np.int64


def test_unknown_words_can_be_kept_as_one_id() -> None:
    ids, lengths = Vocabulary.of(TEXTS, on_unknown="keep").encode(["make purple circle red", "make red"])
    assert ids.tolist() == [[4, 0, 3, 6], [4, 6, 0, 0]]
    assert lengths.tolist() == [4, 2]


def test_a_text_without_words_counts_as_one_unknown_word() -> None:
    ids, lengths = Vocabulary.of(TEXTS).encode(["", "!!!", "turquoise"])
    assert ids.tolist() == [[0], [0], [0]]
    assert lengths.tolist() == [1, 1, 1]


def test_unknown_words_are_told_in_order() -> None:
    assert Vocabulary.of(TEXTS).unknown_words("make the CIRCLE turquoise") == ["the", "turquoise"]


@given(st.lists(st.text(), max_size=8))
def test_a_saved_vocabulary_gives_the_same_ids(texts: list[str]) -> None:
    vocabulary = Vocabulary.of(texts)
    again = Vocabulary.model_validate_json(vocabulary.model_dump_json())
    assert again == vocabulary
    for before, after in zip(vocabulary.encode(texts), again.encode(texts), strict=True):
        assert np.array_equal(before, after)
    assert len(vocabulary) == len(set(vocabulary.words)) + 1


@given(st.permutations(TEXTS))
def test_no_order_of_the_texts_changes_an_id(texts: list[str]) -> None:
    assert Vocabulary.of(texts) == Vocabulary.of(TEXTS)


def test_another_process_with_other_hashes_gives_the_same_ids() -> None:
    code = (
        "import json, sys; from cirray.encoders import Vocabulary;"
        "print(Vocabulary.of(set(json.loads(sys.argv[1])), 'treebank').model_dump_json())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, json.dumps(TEXTS)],
        env={**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    there, here = Vocabulary.model_validate_json(answer), Vocabulary.of(TEXTS, "treebank")
    assert there == here
    assert np.array_equal(there.encode(TEXTS)[0], here.encode(TEXTS)[0])


def test_a_vocabulary_goes_to_other_processes_after_use() -> None:
    vocabulary = Vocabulary.of(TEXTS)
    ids, _ = vocabulary.encode(TEXTS)
    again = pickle.loads(pickle.dumps(vocabulary))
    assert again == vocabulary
    assert np.array_equal(again.encode(TEXTS)[0], ids)


def test_rare_words_can_be_left_out() -> None:
    assert Vocabulary.of(TEXTS, min_count=2).words == ("circle", "red")
    assert Vocabulary.of(TEXTS, min_count=4).words == ()


def test_the_mark_between_two_captions_of_rtic_stays_unknown() -> None:
    texts = ["is red [SEP] has dots", "has dots [SEP] is red"]
    vocabulary = Vocabulary.of(texts, "rtic", "keep")
    assert vocabulary.words == ("dots", "has", "is", "red")
    assert vocabulary.encode(texts[:1])[0].tolist() == [[3, 4, 0, 2, 1]]
    assert "sep" in Vocabulary.of(texts, "tirg").words


def test_whole_texts_are_the_words_of_a_closed_set() -> None:
    vocabulary = Vocabulary.of(["Ripe", "not ripe", "ripe!"], "whole")
    assert vocabulary.words == ("not ripe", "ripe")
    ids, lengths = vocabulary.encode(["ripe", "very ripe", "NOT ripe"])
    assert ids.tolist() == [[2], [0], [1]]
    assert lengths.tolist() == [1, 1, 1]


class Letters(Tokenizer):
    def __init__(self, vocabulary: tuple[str, ...] = ()) -> None:
        super().__init__(vocabulary)
        self.known = set(vocabulary)

    @classmethod
    def own_words(cls) -> tuple[str, ...]:
        return ("z", "a", "b")

    def __call__(self, text: str) -> list[str]:
        return [letter for letter in text if letter in self.known]


def test_a_tokeniser_with_words_of_its_own_gives_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tokenizers._entries, "letters", Letters)
    vocabulary = Vocabulary.of(["b"], "letters")
    assert vocabulary.words == ("z", "a", "b")
    assert vocabulary.encode(["abz"])[0].tolist() == [[2, 3, 1]]
    with pytest.raises(ConfigError, match=r"'letters' brings its words with it.*min_count to 1"):
        Vocabulary.of(["b"], "letters", min_count=2)


def test_a_vocabulary_of_an_unknown_tokeniser_is_refused_at_once() -> None:
    with pytest.raises(UnknownNameError, match=r"no tokenizer 'trig'.*Did you mean 'tirg'"):
        Vocabulary(tokenizer="trig", words=("a",))
