from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from cirray.datasets.readers.drawing import database_and_queries, draw, number


@given(st.lists(st.integers(), unique=True), st.integers(0, 20), st.integers())
def test_a_draw_takes_different_candidates(candidates: list[int], count: int, seed: int) -> None:
    drawn = draw(candidates, count, seed, "key")
    assert len(drawn) == len(set(drawn)) == min(count, len(candidates))
    assert set(drawn) <= set(candidates)


def test_each_candidate_is_as_likely() -> None:
    counts = Counter(tuple(draw("abc", 2, 0, key)) for key in range(6000))
    assert len(counts) == 6
    assert max(counts.values()) - min(counts.values()) < 200


def test_draws_are_the_same_for_ever() -> None:
    assert number(0, "a", 1) == 13675636746056083729
    assert draw(range(100), 3, 7, "x") == draw(range(100), 5, 7, "x")[:3]


def test_another_label_changes_no_draw_of_the_others() -> None:
    labels = {f"a{index}": "a" for index in range(9)} | {f"b{index}": "b" for index in range(9)}
    before = database_and_queries(labels, 3, 0)
    after = database_and_queries(labels | {f"aa{index}": "aa" for index in range(9)}, 3, 0)
    assert {item: after[item] for item in labels} == before
    assert Counter(before.values()) == {"database": 6, "query": 12}
