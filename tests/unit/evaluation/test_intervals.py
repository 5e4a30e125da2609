"""Intervals over queries against scipy's bootstrap, intervals over seeds against scipy's t distribution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cirray.errors import ConfigError
from cirray.evaluation import bootstrap_intervals, intervals, spread_of


@pytest.mark.parametrize("kind", ["recall", "precision"])
def test_an_interval_is_that_of_the_plain_bootstrap(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 20_000)
    generator = np.random.default_rng(0)
    values = generator.random(300) < 0.37 if kind == "recall" else generator.beta(0.5, 2, 300)
    found = bootstrap_intervals({"R@1": values.astype(float)}, [np.arange(300)])["R@1"]
    plain = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    assert found == pytest.approx((100 * plain.low, 100 * plain.high), abs=0.35)


def test_with_categories_it_is_that_of_the_mean_over_them() -> None:
    generator = np.random.default_rng(0)
    values = generator.random(1000)
    groups = [np.arange(100), np.arange(100, 1000)]
    low, high = bootstrap_intervals({"x": values}, groups)["x"]
    drawn = [np.mean([generator.choice(values[group], len(group)).mean() for group in groups]) for _ in range(3000)]
    assert (low, high) == pytest.approx(tuple(100 * np.quantile(drawn, [0.025, 0.975])), abs=0.3)
    pooled = bootstrap_intervals({"x": values}, [np.arange(1000)])["x"]
    assert high - low > 1.3 * (pooled[1] - pooled[0]), "the small category weighs as much as the large one"


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for seed in range(200):
        values = (generator.random(400) < 0.3).astype(float)
        low, high = bootstrap_intervals({"R@1": values}, [np.arange(400)], seed)["R@1"]
        held += low <= 30 <= high
    assert 181 <= held <= 198


def test_metrics_are_drawn_together_and_from_a_seed() -> None:
    values = (np.random.default_rng(0).random(200) < 0.5).astype(float)
    both = {"one": values, "less one": -values}
    found = bootstrap_intervals(both, [np.arange(200)], seed=3)
    assert found["one"] == pytest.approx(tuple(-end for end in reversed(found["less one"])))
    assert bootstrap_intervals(both, [np.arange(200)], seed=3) == found
    assert bootstrap_intervals(both, [np.arange(200)], seed=4) != found


def test_chunks_change_neither_how_many_are_drawn_nor_the_interval_much(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"x": np.random.default_rng(0).random(50)}
    whole = bootstrap_intervals(values, [np.arange(50)])["x"]
    monkeypatch.setattr(intervals, "CHUNK", 50 * 7)
    assert len(intervals._resampled_means(values["x"][:, None], np.random.default_rng(0))) == intervals.RESAMPLES
    assert bootstrap_intervals(values, [np.arange(50)])["x"] == pytest.approx(whole, abs=1)


@settings(deadline=None)
@given(st.lists(st.floats(0, 100), min_size=2, max_size=6))
def test_the_spread_over_seeds_is_students(recalls: list[float]) -> None:
    found = spread_of([{"R@1": recall} for recall in recalls])["R@1"]
    mean, error = np.mean(recalls), stats.sem(recalls)
    assert found.mean == pytest.approx(mean)
    assert found.deviation == pytest.approx(np.std(recalls, ddof=1))
    if error > 0:
        expected = stats.t.interval(0.95, len(recalls) - 1, loc=mean, scale=error)
        assert (found.low, found.high) == pytest.approx(expected)


def test_one_model_has_no_spread() -> None:
    with pytest.raises(ConfigError, match="two models at least"):
        spread_of([{"R@1": 1.0}])
