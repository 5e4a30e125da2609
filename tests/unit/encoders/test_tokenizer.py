"""TIRG's tokeniser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirray.encoders.tokenizer import tirg


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("add large object to top-left", ["add", "large", "object", "to", "topleft"]),
        ("Is SOLID black, with no sleeves!", ["is", "solid", "black", "with", "no", "sleeves"]),
        ("ombré café", ["ombr", "caf"]),
        ("  many\t kinds\nof  space ", ["many", "kinds", "of", "space"]),
        ("¡…!", []),
        ("", []),
    ],
)
def test_words_are_those_of_the_released_code(text: str, words: list[str]) -> None:
    assert tirg(text) == words


@given(st.text())
def test_words_are_lower_case_ascii_without_punctuation(text: str) -> None:
    for word in tirg(text):
        assert word
        assert word.isascii()
        assert word == word.lower()
        assert tirg(word) == [word]
