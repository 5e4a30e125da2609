"""The benchmark of evaluation: both ways of ranking find the same, and all figures are there."""

from __future__ import annotations

import numpy as np

from cirray.cli.benchmark_evaluation import QUICK, draw_task, run_benchmark, sorted_ranks
from cirray.config import override
from cirray.evaluation import rank

SMALL = override(QUICK, ["queries=300", "items=700", "dim=64", "sampled=20"])


def test_a_full_sort_finds_the_same_ranks() -> None:
    task, targets = draw_task(SMALL)
    ranks = rank(task).ranks
    assert np.array_equal(sorted_ranks(task, targets, np.arange(300)), ranks)
    assert 10 < np.sum(ranks == 1) < 290, "or the comparison says nothing"
    assert not np.any(task.excluded == targets)


def test_the_figures_are_there_and_the_recalls_the_same() -> None:
    found = {each.name: each for each in run_benchmark(SMALL).measurements}
    assert found["full argsort / rank"].goal == "≥ 20"
    assert found["full argsort / rank"].holds is None
    assert found["queries counted otherwise"].holds
    assert "20 queries and scaled to 300" in found["full argsort a query"].note
    assert found["rank"].value > 0
