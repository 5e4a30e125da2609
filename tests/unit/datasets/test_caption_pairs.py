from __future__ import annotations

import json
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirray.datasets import one_word_pairs, replacement_text

CAPTIONS = st.lists(st.lists(st.sampled_from(["a", "b", "black", "dress"]), max_size=4).map(" ".join), max_size=8)


def naive_pairs(captions: list[str]) -> list[tuple[str, str]]:
    """Compare every caption with every other."""
    found = set()
    for source in captions:
        for target in captions:
            a, b = source.split(), target.split()
            if len(a) == len(b) and sum(x != y for x, y in zip(a, b, strict=True)) == 1:
                found.add((source, target))
    return sorted(found)


@given(CAPTIONS)
def test_pairs_are_those_of_a_naive_comparison(captions: list[str]) -> None:
    assert list(one_word_pairs(captions)) == naive_pairs(captions)


def test_pairs_without_end_take_no_memory() -> None:
    captions = [f"w{number} dress" for number in range(4000)]  # 16 million pairs
    tracemalloc.start()
    try:
        some = list(islice(one_word_pairs(captions), 20_000))
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    assert len(set(some)) == 20_000


def test_words_are_tokens_and_no_substrings() -> None:
    # With each "a" deleted as TIRG's code does it, these two would be siblings.
    assert list(one_word_pairs(["a black dress", "blck dress"])) == []
    pairs = [("a dress", "black dress"), ("black dress", "a dress")]
    assert list(one_word_pairs(["a dress", "black dress"])) == pairs


def test_the_8106_pairs_of_the_real_captions(shared_data: Path) -> None:
    items = json.loads((shared_data / "fashion200k_captions" / "manifest.json").read_bytes())["items"]
    captions = [item["title"] for item in items]
    pairs = list(one_word_pairs(captions))
    assert len(pairs) == len(set(pairs)) == 8_106
    assert {(target, source) for source, target in pairs} == set(pairs)
    assert pairs == list(one_word_pairs(reversed(captions)))
    for source, target in pairs:
        _, old, _, new = replacement_text(source, target).split()
        assert old in source.split()
        assert new in target.split()
        assert old != new


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        ("black dress", "red dress", "replace black with red"),
        ("a black dress", "black black dress", "replace a with black"),
        ("red long red dress", "red long blue dress", "replace red with blue"),
        ("black dress", "long black coat", "replace dress with long"),
        ("dress", "black dress", "replace dress with black"),
        ("dress black", "black dress", "replace black with dress"),
        ("", "dress", ""),
        ("dress", " ", ""),
    ],
)
def test_texts_say_what_to_replace(source: str, target: str, text: str) -> None:
    assert replacement_text(source, target) == text
