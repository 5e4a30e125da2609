"""Curves: round ticks, every point in its place, and names that stay names."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirray.pages import Curve, Panel, draw
from cirray.pages.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, axis, short

FINITE = st.floats(-1e4, 1e4).map(lambda value: round(value, 3))


@given(st.lists(FINITE, min_size=1, max_size=6), st.booleans())
def test_an_axis_holds_its_values_between_few_round_ticks(values: list[float], from_zero: bool) -> None:
    found = axis(values, from_zero=from_zero)
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert found.low - slack <= min(values) <= max(values) <= found.high + slack
    assert not from_zero or found.low <= 0
    assert 2 <= len(found.ticks) <= 7
    step = (found.high - found.low) / (len(found.ticks) - 1)
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(mantissa - allowed) for allowed in (1, 2, 2.5, 5, 10)) < 1e-6


@given(st.integers(1, 500), st.integers(0, 500))
def test_epochs_have_whole_ticks_within_their_range(first: int, more: int) -> None:
    found = axis([first, first + more], whole=True)
    assert found.ticks
    assert all(tick == int(tick) and first <= tick <= first + more for tick in found.ticks)


def test_points_stand_where_their_values_are_and_epochs_may_lack_some() -> None:
    drawn = draw([Panel("Recall", [Curve("R@1", {1: 0.0, 3: 50.0, 5: 100.0})])])
    points = [tuple(map(float, pair.split(","))) for pair in _found(r'<polyline points="([^"]+)"', drawn)[0].split()]
    middle = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    assert points == [(LEFT, HEIGHT - BOTTOM), middle, (WIDTH - RIGHT, TOP)]
    assert _found(r"<title>(.*?)</title>", drawn) == ["R@1, epoch 1: 0", "R@1, epoch 3: 50", "R@1, epoch 5: 100"]


def test_a_drawing_says_in_words_what_it_shows() -> None:
    drawn = draw([Panel("Loss", [Curve("total", {1: 2.0, 2: 0.5}), Curve("part", {2: 0.25})])])
    assert 'aria-label="Loss: total from 2 in epoch 1 to 0.5 in epoch 2; part 0.25 in epoch 2"' in drawn


def test_names_and_notes_stay_words() -> None:
    drawn = draw([Panel("<u>", [Curve('"><script>', {1: 1.0})], note="<i>")])
    assert "<u>" not in drawn
    assert "<script>" not in drawn
    assert "<i>" not in drawn


def test_many_points_are_a_line_without_dots() -> None:
    drawn = draw([Panel("Loss", [Curve("total", {epoch: 1 / epoch for epoch in range(1, 500)})])])
    assert "<circle" not in drawn
    assert _found(r'<polyline points="([^"]+)"', drawn)[0].count(",") == 499


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.0, "0"), (0.00025, "2.5e-4"), (1e-5, "1e-5"), (0.123456, "0.1235"), (12345.6, "12,346"), (2.5e7, "2.5e7")],
)
def test_labels_are_short(value: float, told: str) -> None:
    assert short(value) == told


def _found(pattern: str, text: str) -> list[str]:
    return re.findall(pattern, text)
