"""Two models on the same queries, against plain counts and sums."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cirray.errors import MismatchError
from cirray.evaluation import OUTCOMES, changed_queries, compare_outcomes, protocols
from cirray.evaluation.comparison import _mcnemar

STANDARD = protocols["standard"]
Ranks = list[int | None]
RANKS = st.lists(st.tuples(*[st.one_of(st.none(), st.integers(1, 60))] * 2), min_size=1, max_size=40)


def outcomes(ranks: Ranks, **changed: Any) -> pa.Table:
    rows = [
        {
            "query_id": f"q{number}",
            "reference_id": "r",
            "text": "make it red",
            "target_id": "t",
            "category": "ab"[number % 2],
            "rank": rank,
            "subset_rank": rank,
            "precisions": [1 / rank if rank else 0.0],
            "hits": [],
            "right": [],
            **changed,
        }
        for number, rank in enumerate(ranks)
    ]
    return pa.Table.from_pylist(rows, schema=OUTCOMES)


# The first example imports scipy.
@settings(deadline=None, max_examples=40)
@given(RANKS)
def test_differences_and_disagreements_are_counted(pairs: list[tuple[int | None, int | None]]) -> None:
    ranks: tuple[Ranks, Ranks] = [a for a, _ in pairs], [b for _, b in pairs]
    found = compare_outcomes(outcomes(ranks[0]), outcomes(ranks[1]), STANDARD)
    assert list(found) == ["R@1", "R@5", "R@10", "R@50", "mean"]
    for k in STANDARD.cutoffs:
        of = [[rank is not None and rank <= k for rank in of_model] for of_model in ranks]
        difference = found[f"R@{k}"]
        assert difference.first == pytest.approx(100 * sum(of[0]) / len(pairs))
        assert difference.second == pytest.approx(100 * sum(of[1]) / len(pairs))
        assert difference.difference == pytest.approx(difference.second - difference.first)
        assert difference.low - 1e-9 <= difference.difference <= difference.high + 1e-9
        assert difference.mcnemar is not None
        assert difference.mcnemar.only_first == sum(a and not b for a, b in zip(*of, strict=True))
        assert difference.mcnemar.only_second == sum(b and not a for a, b in zip(*of, strict=True))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_is_a_fair_coin_for_the_queries_that_differ(only_first: int, only_second: int) -> None:
    first = np.array([1.0] * only_first + [0.0] * only_second + [1.0, 0.0])
    second = np.array([0.0] * only_first + [1.0] * only_second + [1.0, 0.0])
    found = _mcnemar(first, second)
    n, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(comb(n, heads) for heads in range(fewer + 1)) / 2**n
    assert found is not None
    assert found.p_value == pytest.approx(min(1.0, 2 * tail) if only_first != only_second else 1.0)


def test_what_is_not_found_or_not_has_no_mcnemar() -> None:
    rules = protocols["several-targets"].model_copy(update={"map_cutoffs": (5,), "headline": ("mAP@5",)})
    found = compare_outcomes(outcomes([1, 2, 3]), outcomes([2, 2, 1]), rules)
    assert found["mAP@5"].mcnemar is None
    assert found["mAP@5"].difference == pytest.approx(100 * (0.5 - 1 + 1 - 1 / 3) / 3)


def test_pairing_makes_a_small_difference_certain() -> None:
    generator = np.random.default_rng(0)
    hard = generator.random(2000) < 0.5
    first: Ranks = [50 if h else 1 for h in hard]
    second: Ranks = [50 if h and n % 40 else 1 for n, h in enumerate(hard)]
    found = compare_outcomes(outcomes(first), outcomes(second), STANDARD)["R@1"]
    assert 0 < found.difference < 2
    assert found.is_certain
    assert found.high - found.low < 2, "of two unpaired shares of a half it would be above 6"


def test_with_categories_the_difference_is_of_the_means_over_them() -> None:
    rules = protocols["catalog"]
    found = compare_outcomes(outcomes([1, 60, 1, 60, 1]), outcomes([1, 1, 1, 60, 60]), rules)["R@1"]
    assert found.difference == pytest.approx(100 * ((2 / 3 + 1 / 2) / 2 - (1 + 0) / 2))


def test_changes_count_by_their_ratio() -> None:
    first, second = outcomes([1, 50, 5000, 3, None, 2, 4]), outcomes([1, 1, 4000, 9, 7, None, 400])
    gained, lost = changed_queries(first, second)
    assert gained.tolist() == [1, 2]
    assert lost.tolist() == [6, 3]


@pytest.mark.parametrize("changed", [{"query_id": "other"}, {"text": "make it blue"}])
def test_other_queries_are_not_compared(changed: dict[str, str]) -> None:
    with pytest.raises(MismatchError, match="different queries"):
        compare_outcomes(outcomes([1, 2]), outcomes([1, 2], **changed), STANDARD)
