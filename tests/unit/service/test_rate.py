"""Token buckets, against a clock that stands still unless it is moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirray.service import rate
from cirray.service.rate import RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_as_much_as_comes_back() -> None:
    clock = Clock()
    limit = RateLimit(2.0, 3, clock)
    assert [limit.charge("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.charge("b") == 0
    clock.now = 0.5
    assert [limit.charge("a"), limit.charge("a")] == [0, 0.5]
    clock.now = 100.0
    assert [limit.charge("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_what_costs_more_than_a_bucket_waits_for_a_full_one_and_leaves_a_debt() -> None:
    clock = Clock()
    limit = RateLimit(1.0, 4, clock)
    assert limit.charge("a", 10) == 0
    assert limit.charge("a") == 7
    clock.now = 7.0
    assert limit.charge("a") == 0


def test_without_a_rate_there_is_no_limit() -> None:
    limit = RateLimit(None, 1)
    assert not any(limit.charge("a") for _ in range(1000))


def test_callers_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "MAX_CALLERS", 2)
    limit = RateLimit(1.0, 1, Clock())
    assert [limit.charge(caller) for caller in "abac"] == [0, 0, 1, 0]  # c drives out b
    assert [limit.charge(caller) for caller in "ab"] == [1, 0]


@given(steps=st.lists(st.tuples(st.floats(0, 3), st.floats(0.1, 5)), max_size=40), burst=st.integers(1, 5))
def test_never_more_than_the_burst_and_what_came_back_since(steps: list[tuple[float, float]], burst: int) -> None:
    clock = Clock()
    limit = RateLimit(1.5, burst, clock)
    spent = 0.0
    for pause, cost in steps:
        clock.now += pause
        if limit.charge("a", min(cost, burst)) == 0:
            spent += min(cost, burst)
        assert spent <= burst + 1.5 * clock.now + 1e-6
