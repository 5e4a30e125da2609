from __future__ import annotations

from typing import Any

import pytest

from cirray.errors import BadImageError, QueryError
from cirray.search import MAX_IMAGE_BYTES, MAX_LIMIT, MAX_TEXT_CHARS, Query


def test_what_is_within_the_limits_is_a_query() -> None:
    Query("x" * MAX_TEXT_CHARS, reference_id="a", limit=MAX_LIMIT)
    Query("x", reference_image=b"0" * MAX_IMAGE_BYTES, limit=1)


@pytest.mark.parametrize("text", ["", "   ", "\n\t "])
def test_an_empty_text_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match=r"text is empty.*Say what should change"):
        Query(text, reference_id="a")


def test_a_long_text_is_refused_with_the_limit_and_what_was_given() -> None:
    with pytest.raises(QueryError, match=r"has 513 characters; at most 512"):
        Query("x" * 513, reference_id="a")


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_limit_out_of_range_is_refused(limit: int) -> None:
    with pytest.raises(QueryError, match=rf"limit is {limit}; it may be 1 to 200"):
        Query("red", reference_id="a", limit=limit)


def test_a_query_has_exactly_one_reference() -> None:
    with pytest.raises(QueryError, match="given was neither"):
        Query("red")
    with pytest.raises(QueryError, match="given was both"):
        Query("red", reference_id="a", reference_image=b"png")


def test_a_picture_of_too_many_bytes_is_refused() -> None:
    with pytest.raises(BadImageError, match=r"has 8,388,609 bytes; at most 8,388,608"):
        Query("red", reference_image=b"0" * (MAX_IMAGE_BYTES + 1))


@pytest.mark.parametrize("text", ["!!!", "\u200b", "\x00", " - "])
def test_a_text_without_a_word_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match=r"has no word.*Say what should change"):
        Query(text, reference_id="a")


@pytest.mark.parametrize("text", ["2", "größer", "赤"])
def test_words_of_any_script_are_words(text: str) -> None:
    Query(text, reference_id="a")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exclude_ids": ("a",) * 1001}, "1001 ids are to be excluded; at most 1000"),
        ({"min_score": 1.5}, "least score is 1.5"),
        ({"min_score": float("nan")}, "least score is nan"),
        ({"nprobe": 0}, "nprobe is 0; it may be 1 to 4096"),
        ({"ef": 5000}, "ef is 5000"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        Query("red", reference_id="a", **options)
