"""The pages: which queries they show, with which marks, and that words stay words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cirray.datasets.prepared import PreparedDataset
from cirray.evaluation import OUTCOMES, Difference
from cirray.evaluation.cases import CASES, Section, comparison_sections, evaluation_sections
from cirray.evaluation.comparison import McNemar
from cirray.evaluation.page import render_comparison, render_evaluation
from cirray.storage import Location
from tests.artifacts import plain_png, put_dataset

HOSTILE = '<script>alert("x")</script>'


@pytest.fixture
def dataset(tmp_path: Path) -> PreparedDataset:
    items = [
        {
            "item_id": f"i{number:02d}",
            "splits": ["test"],
            "image": plain_png((number * 6, 0, 99), (200, 50)),
            "caption": HOSTILE if number == 3 else "",
        }
        for number in range(40)
    ]
    return put_dataset(Location.parse(str(tmp_path / "colours")), "colours", items, part_rows=11)


def outcomes(ranks: list[int | None], **changed: Any) -> pa.Table:
    """Return queries with the reference i00; the target of query 4 is i05."""
    rows = []
    for number, rank in enumerate(ranks):
        target = f"i{number + 1:02d}"
        hits = [f"i{39 - place:02d}" for place in range(10)]
        if rank is not None and rank <= 10:
            hits[rank - 1] = target
        row: dict[str, Any] = {
            "query_id": f"q{number}",
            "reference_id": "i00",
            "text": f"text {number}",
            "target_id": target,
            "category": "",
            "rank": rank,
            "precisions": [],
            "hits": hits,
            "right": [hit == target for hit in hits],
        }
        rows.append(row | changed)
    return pa.Table.from_pylist(rows, schema=OUTCOMES)


def texts(section: Section) -> list[str]:
    return [case.text for case in section.cases]


def test_the_sample_is_spread_and_best_and_worst_are(dataset: PreparedDataset) -> None:
    ranks: list[int | None] = [2, 1, 30, 7, None, 500, 3, 60, 4, 5, 6, 1000]
    sample, best, worst = evaluation_sections(outcomes(ranks), dataset)
    assert texts(sample) == [f"text {number}" for number in (1, 3, 5, 7, 9, 11)]
    assert texts(best) == [f"text {number}" for number in (1, 0, 6, 8, 9, 10)]
    assert texts(worst) == [f"text {number}" for number in (11, 5, 7, 2, 3, 10)]
    assert "1 queries without a right answer" in worst.note
    first = best.cases[0]
    assert first.target is not None
    assert (first.reference.name, first.target.name, first.answers[0].rank) == ("i00", "i02", 1)
    assert [right for _, right in first.answers[0].hits] == [True] + [False] * 7
    assert first.answers[0].hits[0][0].uri.startswith("data:image/png;base64,")


def test_of_many_in_the_first_place_the_best_are_spread(dataset: PreparedDataset) -> None:
    _, best, _ = evaluation_sections(outcomes([1] * 24), dataset)
    assert texts(best) == [f"text {number}" for number in (2, 6, 10, 14, 18, 22)]


def test_a_comparison_shows_what_changed_with_both_answers(dataset: PreparedDataset) -> None:
    first, second = outcomes([1, 9, 3, 3, None]), outcomes([5, 1, 3, 2, 1])
    gained, lost = comparison_sections(first, second, ("a@1", "b@2"), dataset)
    assert texts(gained) == ["text 1", "text 3"]
    assert texts(lost) == ["text 0"]
    assert [(answer.model, answer.rank) for answer in lost.cases[0].answers] == [("1. a@1", 1), ("2. b@2", 5)]


def test_an_evaluation_without_queries_has_a_page(dataset: PreparedDataset) -> None:
    sections = evaluation_sections(OUTCOMES.empty_table(), dataset)
    page = render_evaluation("none", {}, {"R@1": 0.0}, {}, {}, sections)
    assert page.count("<p>None.</p>") == 3


@pytest.fixture
def page(dataset: PreparedDataset) -> str:
    sections = evaluation_sections(outcomes([1, None, 3], text=HOSTILE), dataset)
    metrics = {"R@1": 33.333, "mean": 33.333}
    facts = {"model": f"m@1 {HOSTILE}"}
    return render_evaluation(HOSTILE, facts, metrics, {"R@1": (10.0, 60.5)}, {"hats": metrics}, sections)


def test_words_stay_words_and_nothing_is_fetched(page: str) -> None:
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3
    assert re.findall(r"(?:src|href)=\"(?!data:|#)([^\"]+)\"", page) == []
    assert "url(" not in page
    assert "prefers-color-scheme: dark" in page


def test_every_picture_says_what_it_is(page: str) -> None:
    pictures = re.findall(r"<img [^>]*>", page)
    assert len(pictures) == (3 + 2 + 2) * (1 + 1 + 8), "what has no right answer is in the sample alone"
    alternatives = [re.search(r' alt="([^"]+)"', picture) for picture in pictures]
    assert all(alternatives)
    told = {found[1].split(":")[0] for found in alternatives if found}
    assert {"reference", "target", "hit 1", "hit 1, right", "hit 3, right", "hit 8"} <= told


def test_right_answers_are_marked_and_ranks_told(page: str) -> None:
    right = re.findall(r"<li class=\"right\">.*?</li>", page, re.DOTALL)
    assert len(right) == 3 * 2
    assert all("✓" in item for item in right)
    assert "right answer at rank 3" in page
    assert "no right answer in the gallery" in page


def test_figures_stand_with_their_intervals(page: str) -> None:
    cells = re.findall(r"<t[dh](?: [^>]*)?>(.*?)</t[dh]>", page)
    assert cells == ["", "R@1", "mean", "all", "33.33 [10.00, 60.50]", "33.33", "hats", "33.33", "33.33"]


def test_a_comparison_tells_differences_and_tests() -> None:
    test = McNemar(only_first=1200, only_second=1500, p_value=0.00001234)
    found = Difference(first=10, second=12.5, difference=2.5, low=1.25, high=3.75, mcnemar=test)
    other = Difference(first=1, second=0.5, difference=-0.5, low=-1, high=0.25)
    page = render_comparison("two", {}, {"R@1": found, "mAP@5": other}, [])
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", page)]
    assert rows[1:] == [
        ["R@1", "10.00", "12.50", "+2.50 [+1.25, +3.75]", "1,200", "1,500", "1.2e-05"],
        ["mAP@5", "1.00", "0.50", "-0.50 [-1.00, +0.25]", "", "", ""],
    ]
    assert (found.is_certain, other.is_certain) == (True, False)


def test_a_section_holds_no_more_than_it_should(dataset: PreparedDataset) -> None:
    sections = evaluation_sections(outcomes([number + 1 for number in range(30)]), dataset)
    assert [len(section.cases) for section in sections] == [CASES] * 3
