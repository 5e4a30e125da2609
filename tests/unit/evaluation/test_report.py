"""The report: one page that holds all it shows, and runs nothing that it was told."""

from __future__ import annotations

import base64
import re

import pytest

from cirray.evaluation.report import Picture, Question, render_report
from tests.artifacts import plain_png

RED = plain_png((255, 0, 0))
BLUE = plain_png((0, 0, 255))


@pytest.fixture(scope="module")
def page() -> str:
    hits = (Picture(BLUE, "image/png", "a blue one", False), Picture(RED, "image/png", "a red one", True))
    question = Question(Picture(BLUE, "image/png", "<b>blue</b>"), 'make "it" <script>red</script>', hits)
    return render_report(
        "A & B",
        [question],
        {"ours": {"R@1": 50.04, "R@5": 75.0}, "baseline": {"R@1": 6.25, "R@5": 20.0}},
        {"ours": [3.0, 2.0, 1.0], "<i>baseline</i>": [3.0]},
        {"Counts": {"queries": 18057}, "Seconds": {"train": 12.345}},
    )


def test_pictures_are_in_the_page_and_right_answers_are_marked(page: str) -> None:
    uris = [f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in (BLUE, BLUE, RED)]
    assert re.findall(r'<img src="([^"]+)"', page) == uris
    hits = re.findall(r"<li( class=\"right\")?>\s*<img src=\"[^\"]+\" alt=\"([^\"]+)\"", page)
    assert [(bool(right), caption) for right, caption in hits] == [(False, "a blue one"), (True, "a red one")]


def test_words_stay_words(page: str) -> None:
    assert "<script" not in page
    assert "make &#34;it&#34; &lt;script&gt;red&lt;/script&gt;" in page
    assert "<i>" not in page
    assert "<b>" not in page
    assert "<title>A &amp; B</title>" in page


def test_the_tables_hold_every_figure(page: str) -> None:
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)]
    assert rows == [
        ["method", "R@1", "R@5"],
        ["ours", "50.0", "75.0"],
        ["baseline", "6.2", "20.0"],
        ["queries", "18057"],
        ["train", "12.3"],
    ]


def test_nothing_is_fetched_from_elsewhere(page: str) -> None:
    outside = re.findall(r"(?:src|href)=\"(?!data:|#)([^\"]+)\"", page)
    assert outside == []


def test_every_method_has_a_line_with_a_point_an_epoch(page: str) -> None:
    assert re.findall(r'<polyline points="([^"]+)"', page)[0].count(",") == 3
    titles = re.findall(r"<circle[^>]*><title>(.*?)</title>", page)
    assert titles == [
        "ours, epoch 1: 3",
        "ours, epoch 2: 2",
        "ours, epoch 3: 1",
        "&lt;i&gt;baseline&lt;/i&gt;, epoch 1: 3",
    ]
