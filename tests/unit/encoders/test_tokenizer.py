"""The tokenisers of the papers."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirray.encoders import tokenizers

LEARNING = ["tirg", "rtic", "whole", "treebank", "val", "curlingnet"]


def words(tokenizer: str, text: str) -> list[str]:
    return tokenizers[tokenizer]()(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("add large object to top-left", ["add", "large", "object", "to", "topleft"]),
        ("Is SOLID black, with no sleeves!", ["is", "solid", "black", "with", "no", "sleeves"]),
        ("ombré café", ["ombr", "caf"]),
        ("  many\t kinds\nof  space ", ["many", "kinds", "of", "space"]),
        ("is red [SEP] has dots", ["is", "red", "sep", "has", "dots"]),
        ("¡…!", []),
        ("", []),
    ],
)
def test_tirg_s_words_are_those_of_its_code_and_rtic_s_are_the_same(text: str, expected: list[str]) -> None:
    assert words("tirg", text) == words("rtic", text) == expected


@given(st.text())
def test_tirg_s_words_are_lower_case_ascii_without_punctuation(text: str) -> None:
    for word in words("tirg", text):
        assert word
        assert word.isascii()
        assert word == word.lower()
        assert words("tirg", word) == [word]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("is Red, and doesn't have sleeves.", ["is", "red", ",", "and", "does", "n't", "have", "sleeves", "."]),
        ("It's v-neck & longer", ["it", "'s", "v-neck", "&", "longer"]),
        ("costs $1,000.50 at 4:30", ["costs", "$", "1,000.50", "at", "4:30"]),
        ("is shorter. has no belt", ["is", "shorter", ".", "has", "no", "belt"]),
        ('says "Love me" (in white)', ["says", "``", "love", "me", "''", "(", "in", "white", ")"]),
        ("has a 'CRKS' logo", ["has", "a", "'", "crks", "'", "logo"]),
        ("they're the girls' tops", ["they", "'re", "the", "girls", "'", "tops"]),
        ("cannot -- or won't... maybe?!", ["can", "not", "--", "or", "wo", "n't", "...", "maybe", "?", "!"]),
        ("a: b; c/d #5 50%", ["a", ":", "b", ";", "c/d", "#", "5", "50", "%"]),
        ("They’re blue", ["they", "’", "re", "blue"]),
        ("", []),
    ],
)
def test_treebank_splits_as_nltk_does(text: str, expected: list[str]) -> None:
    assert words("treebank", text) == expected


def test_val_spells_marks_out_where_they_stand() -> None:
    assert words("val", " A red dress. ") == ["a", "red", "dressdotmark"]
    assert words("val", "Red & blue, isn't it?") == ["red", "andmark", "blue", ",", "is", "n't", "itquestionmark"]
    assert words("val", "5* shoes") == ["5starmark", "shoes"]


def test_curlingnet_keeps_the_mark_between_captions_and_30_words() -> None:
    assert words("curlingnet", "is Red. <and> has dots") == ["is", "red", ".", "<and>", "has", "dots"]
    assert words("curlingnet", "no captions but one") == ["no", "captions", "but", "one"]
    long = words("curlingnet", " ".join(map(str, range(40))) + " <and> more")
    assert long == [str(number) for number in range(30)]


def test_whole_makes_one_word_of_a_text() -> None:
    assert words("whole", "  Ripe, not\tUNRIPE! ") == ["ripe not unripe"]
    assert words("whole", "!?") == []


@pytest.mark.parametrize("name", LEARNING)
@given(text=st.text())
def test_words_are_neither_empty_nor_do_they_begin_or_end_in_space(name: str, text: str) -> None:
    for word in words(name, text):
        assert word
        assert word == word.strip()


@pytest.mark.parametrize("name", LEARNING)
def test_a_tokeniser_goes_to_other_processes(name: str) -> None:
    tokenizer = tokenizers[name]()
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again("is red. <and> has no sleeves") == tokenizer("is red. <and> has no sleeves")
    assert tokenizers[name].own_words() is None
