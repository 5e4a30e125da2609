"""What a sweep came to: best, efficient, importance, and the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cirray.config import override
from cirray.evaluation import protocols
from cirray.recipes import HoldOutConfig, recipes
from cirray.storage import Root
from cirray.tuning import Integer, LogUniform, OneOf, Space, Uniform, dials_of
from cirray.tuning.ledger import Begun, Ledger, Outcome, Trial
from cirray.tuning.plan import Measuring, SweepConfig
from cirray.tuning.plots import parallel
from cirray.tuning.report import write_report
from cirray.tuning.results import best_of, commands_for, importances, rows_of
from cirray.tuning.sweep import Sweep

RATE, SCALE, BLOCKS, COORDINATES = (
    "training.learning_rate",
    "objective.retrieval.scale",
    "model.composer.blocks",
    "model.composer.coordinates",
)
SPACE = Space(
    dials={
        RATE: LogUniform(low=1e-4, high=1e-1),
        SCALE: Uniform(low=1.0, high=9.0),
        BLOCKS: Integer(low=1, high=4),
        COORDINATES: OneOf(values=(False, True)),
    }
)


def outcome(*scores: float, ended: Any = "finished", cost: float = 1.0, number: int = 0) -> Outcome:
    history = tuple({"epoch": float(n), "R@1": score, "parameters": cost} for n, score in enumerate(scores, 1))
    model = f"css-2d/film@{number}" if ended == "finished" else ""
    return Outcome(ended=ended, history=history, model=model, reason="" if scores else "<b>it broke</b>")


def sweep(place: Path, *outcomes: Outcome | None, values: Any = None, **settings: Any) -> Sweep:
    root = Root.open(str(place))
    config = override(recipes["css-2d/film"](), ["training.epochs=3"])
    config = config.model_copy(update={"hold_out": HoldOutConfig(share=0.2)})
    dials = dials_of(SPACE, config)
    defaults = {name: dial.default for name, dial in dials.items()}
    trials = [
        Trial(
            begun=Begun(number=n, values={**defaults, **(values(n) if values else {})}, run=f"{n:064x}"), outcome=each
        )
        for n, each in enumerate(outcomes)
    ]
    measuring = Measuring("held-out", protocols["standard"], 50)
    plan = SweepConfig(metric="R@1", **settings)
    return Sweep(root, "ab" * 32, config, dials, plan, measuring, trials, Ledger(root.place / "sweeps/x"))


def test_the_best_is_the_best_of_those_that_finished(tmp_path: Path) -> None:
    found = sweep(
        tmp_path,
        outcome(1.0, 2.0, 30.0, number=0),
        outcome(99.0, ended="stopped"),
        outcome(5.0, 60.0, 50.0, number=2),
        outcome(ended="failed"),
        None,
    )
    rows = rows_of(found)
    assert [(row.number, row.ended, row.score) for row in rows] == [
        (2, "finished", 50.0),
        (0, "finished", 30.0),
        (1, "stopped", 99.0),
        (3, "failed", None),
        (4, "begun", None),
    ]
    best = best_of(found)
    assert best is not None
    assert best.model == "css-2d/film@2"
    assert best_of(sweep(tmp_path, outcome(9.0, ended="stopped"))) is None


def test_efficient_is_what_nothing_beats_at_its_cost(tmp_path: Path) -> None:
    pairs = [(50.0, 9.0), (40.0, 3.0), (45.0, 9.0), (40.0, 4.0), (10.0, 1.0), (50.0, 9.0)]
    found = sweep(tmp_path, *(outcome(score, cost=cost) for score, cost in pairs), cost="parameters")
    assert {row.number for row in rows_of(found) if row.efficient} == {0, 1, 4, 5}


def test_the_dial_that_decides_is_the_one_that_mattered(tmp_path: Path) -> None:
    def values(n: int) -> dict[str, Any]:
        return {RATE: 10 ** (-4 + 3 * (n * 7 % 20) / 20), SCALE: 1.0 + 8 * (n * 3 % 20) / 20, BLOCKS: 1 + n % 4}

    outcomes = [outcome(100.0 * (n * 7 % 20) / 20) for n in range(20)]
    shares = importances(sweep(tmp_path, *outcomes, values=values))
    assert next(iter(shares)) == RATE
    assert shares[RATE] > 0.5
    assert sum(shares.values()) == pytest.approx(1.0)


def test_few_or_equal_trials_tell_nothing_of_importance(tmp_path: Path) -> None:
    assert importances(sweep(tmp_path, outcome(1.0), outcome(2.0), outcome(3.0))) == {}
    assert importances(sweep(tmp_path, *[outcome(1.0)] * 8)) == {}


def test_the_ends_of_the_axes_are_the_ends_of_the_domains(tmp_path: Path) -> None:
    ends: list[dict[str, Any]] = [
        {RATE: 1e-4, SCALE: 1, BLOCKS: 1, COORDINATES: False},
        {RATE: 1e-1, SCALE: 9.0, BLOCKS: 4, COORDINATES: True},
    ]
    found = sweep(tmp_path, outcome(1.0), outcome(2.0), values=lambda n: ends[n])
    plot = parallel(found, rows_of(found))
    assert plot is not None
    bottom, top = ([float(point.split(",")[1]) for point in line.points.split()] for line in plot.lines)
    assert len(set(bottom)) == len(set(top)) == 1
    assert bottom[0] > top[0]
    assert plot.lines[1].is_best


def test_the_page_needs_nothing_from_outside_and_says_all(tmp_path: Path) -> None:
    outcomes = [outcome(1.0 * n, 2.0 * n, 3.0 * n, number=n) for n in range(6)]
    found = sweep(
        tmp_path,
        *outcomes,
        outcome(1.0, ended="stopped"),
        outcome(ended="failed"),
        # None of them the recipe's own.
        values=lambda n: {RATE: round(0.0011 * (n + 1), 4)},
        cost="parameters",
    )
    summary = write_report(found)
    page = (tmp_path / "sweeps/x/report.html").read_text()
    assert not re.search(r"(src|href|url\()\s*=?\s*[\"'(]?(https?:)?//", page)
    for number in range(8):
        assert f"<td>{number}</td>" in page
    assert "&lt;b&gt;it broke&lt;/b&gt;" in page
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg)
    assert page.count("<polyline") == 7
    promote, train = summary["best"]["commands"]
    assert promote == f"cirray models promote css-2d/film@5 --root {found.root.uri}"
    assert "--set training.learning_rate=0.0066" in train
    # What the recipe has anyway is not said; what was set by hand is.
    assert "coordinates" not in train
    assert "--set training.epochs=3" in train
    assert "hold_out" not in train
    assert json.loads((tmp_path / "sweeps/x/summary.json").read_text()) == summary


def test_a_promotion_is_judged_on_the_named_split_and_protocol(tmp_path: Path) -> None:
    found = sweep(tmp_path, outcome(1.0, 2.0, 3.0))
    config = override(found.config, ["training.validation.protocol=fashioniq-a"])
    (best,) = rows_of(found)
    told = commands_for(best, replace(found, config=config, judged_on="val"))[0]
    assert told.endswith(f"--root {found.root.uri} --split val --protocol fashioniq-a")


def test_a_sweep_without_a_result_still_has_a_page(tmp_path: Path) -> None:
    assert write_report(sweep(tmp_path, outcome(ended="failed"), None))["best"] is None
    assert "No trial has finished" in (tmp_path / "sweeps/x/report.html").read_text()
