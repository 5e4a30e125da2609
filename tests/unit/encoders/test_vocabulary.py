"""Vocabularies: stable ids."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cirray.encoders import Vocabulary

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
