"""The gate: better by the margin, on the same queries, by the same rules; and what it says where it refuses."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cirray.bundles import Gate, evaluations
from cirray.bundles.gate import refusal
from cirray.datasets.prepared import PreparedDataset
from cirray.errors import ConfigError, PromotionError
from cirray.evaluation import protocols
from cirray.storage import Artifact, Root
from tests.artifacts import plain_png, put_dataset
from tests.measured_models import RULES, measure, put_measured
from tests.service_world import put_world

percents = st.floats(0, 100, allow_nan=False)
QUERIES = 7919
hits = st.integers(0, QUERIES)
tenths = st.integers(0, 1000)


@settings(deadline=None)
@given(hits, hits, tenths, st.none() | tenths)
def test_who_has_the_margin_passes_and_nobody_else(won: int, live: int, margin: int, minimum: int | None) -> None:
    gain, value = Fraction(100 * (won - live), QUERIES), Fraction(100 * won, QUERIES)
    passes = gain > 0 and gain >= Fraction(margin, 10) and (minimum is None or value >= Fraction(minimum, 10))
    floats = 100 * won / QUERIES, 100 * live / QUERIES
    assert (refusal(*floats, margin / 10, None if minimum is None else minimum / 10) == "") == passes


@settings(deadline=None)
@given(tenths, tenths)
def test_a_gain_of_exactly_the_margin_is_enough(live: int, gain: int) -> None:
    assert (refusal((live + gain) / 10, live / 10, gain / 10, None) == "") == (gain > 0)


@settings(deadline=None)
@given(percents, st.none() | tenths)
def test_the_first_needs_the_minimum_only(value: float, minimum: int | None) -> None:
    passes = minimum is None or value >= minimum / 10 - 1e-9
    assert (refusal(value, None, 50, None if minimum is None else minimum / 10) == "") == passes


@settings(deadline=None)
@given(percents, percents, st.floats(0, 5), st.floats(0, 5))
def test_two_never_pass_over_each_other_and_less_margin_never_refuses_more(
    one: float, other: float, margin: float, less: float
) -> None:
    assert refusal(one, other, margin, None) or refusal(other, one, margin, None)
    if not refusal(one, other, margin, None):
        assert not refusal(one, other, min(less, margin), None)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_figure_never_passes(value: float) -> None:
    assert refusal(value, None, 0, None)
    assert refusal(value, 10, 0, None)
    assert refusal(10, math.nan, 0, None)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root.open(str(tmp_path / "root"), create=True)


@pytest.fixture
def dataset(root: Root) -> PreparedDataset:
    return put_world(root, 4)


@pytest.fixture
def live(root: Root, dataset: PreparedDataset) -> Artifact:
    return put_measured(root, dataset, 40.0, 0)


@pytest.fixture
def better(root: Root, dataset: PreparedDataset) -> Artifact:
    return put_measured(root, dataset, 42.0, 1)


def other_data(root: Root) -> PreparedDataset:
    row = {"item_id": "i", "splits": ["test"], "image": plain_png((1, 2, 3))}
    return put_dataset(root.dataset("other").version("e" * 64), "other", [row])


def test_the_verdict_says_what_was_compared(dataset: PreparedDataset, live: Artifact, better: Artifact) -> None:
    verdict = Gate(dataset, RULES, metric="R@1", margin=1.5, minimum=30).judge(better, live)
    assert (verdict.value, verdict.live_value, verdict.live) == (42.0, 40.0, live.version)
    assert (verdict.metric, verdict.margin, verdict.minimum) == ("R@1", 1.5, 30)
    assert (verdict.dataset_fingerprint, verdict.split, verdict.protocol) == (dataset.fingerprint, "test", "standard")


def test_a_worse_one_is_told_by_how_much(dataset: PreparedDataset, live: Artifact, better: Artifact) -> None:
    with pytest.raises(PromotionError, match=r"mean under standard on test .* is 40\.00, .* live model has 42"):
        Gate(dataset, RULES).judge(live, better)
    with pytest.raises(PromotionError, match=r"at least 3 points more.*--force with a --reason"):
        Gate(dataset, RULES, margin=3).judge(better, live)
    with pytest.raises(PromotionError, match=r"is 42\.00, less than the minimum of 50\."):
        Gate(dataset, RULES, minimum=50).judge(better, None)


def test_who_was_not_measured_is_told_the_command(root: Root, dataset: PreparedDataset, live: Artifact) -> None:
    unmeasured = put_measured(root, dataset, None, 2)
    data = f"{dataset.name}@{dataset.artifact.version}"
    command = (
        f"cirray evaluate --model tiny/tirg@{unmeasured.version} --dataset {data} --split test --protocol standard"
    )
    with pytest.raises(PromotionError, match=rf"candidate model .* It has: none\. Run `{command}`"):
        Gate(dataset, RULES).judge(unmeasured, live)
    measure(unmeasured, dataset, 99.0)
    with pytest.raises(PromotionError, match=r"split train of .* It has: standard, test of "):
        Gate(dataset, RULES, split="train").judge(unmeasured, live)
    with pytest.raises(PromotionError, match="protocol shoes"):
        Gate(dataset, protocols["shoes"]).judge(unmeasured, live)


def test_figures_on_other_data_do_not_compare(
    root: Root, dataset: PreparedDataset, live: Artifact, better: Artifact
) -> None:
    other = other_data(root)
    measure(better, other, 99.0)
    with pytest.raises(PromotionError) as refused:
        Gate(other, RULES).judge(better, live)
    told = str(refused.value)
    assert f"The live model tiny/tirg@{live.version} has no evaluation that counts here" in told
    assert other.fingerprint[:16] in told
    assert dataset.fingerprint[:16] in told


def test_figures_by_other_code_do_not_compare(
    dataset: PreparedDataset, live: Artifact, better: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluations, "code_fingerprint", lambda *modules: "of another checkout")
    measure(better, dataset, 42.0)
    with pytest.raises(PromotionError, match=r"The live model .* but by other code or other rules"):
        Gate(dataset, RULES).judge(better, live)


def test_a_metric_that_nobody_measured_is_told(dataset: PreparedDataset, better: Artifact) -> None:
    with pytest.raises(ConfigError, match=r"no metric 'R@3'; there are: R@1, R@5, R@10, R@50, mean"):
        Gate(dataset, RULES, metric="R@3").judge(better, None)


@pytest.mark.parametrize("margin", [-0.1, math.nan, math.inf])
def test_a_margin_is_no_less_than_nothing(dataset: PreparedDataset, margin: float) -> None:
    with pytest.raises(ConfigError, match="margin"):
        Gate(dataset, RULES, margin=margin)


def test_a_minimum_is_a_number(dataset: PreparedDataset) -> None:
    with pytest.raises(ConfigError, match="minimum"):
        Gate(dataset, RULES, minimum=math.nan)
