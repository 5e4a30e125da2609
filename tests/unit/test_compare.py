"""The comparison of methods: which take part, and what is said of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cirray.cli import compare as comparing
from cirray.cli.compare import Compared, compare, measurements, show
from cirray.cli.display import Display
from cirray.cli.methods import methods_of
from cirray.composers import composers
from cirray.errors import ArtifactError, TrainingError, UnknownNameError
from cirray.recipes import recipes
from cirray.storage import Root

NOT_RETRIEVAL = {"tirg-compositions", "joint"}
"""The first classifies, and is trained where there are attributes and objects; the second wears another composer."""

ROWS = [
    Compared("image-only", {"R@1": 6.0, "R@5": 20.0, "mean": 6.0}, 10, 20, 1, 900.0),
    Compared("text-only", {"R@1": 0.5, "R@5": 1.0, "mean": 0.5}, 10, 20, 1, 900.0),
    Compared("concat", {"R@1": 30.0, "R@5": 60.0, "mean": 30.0}, 1234567, 2345678, 6, 812.3),
    Compared("mrn", {"R@1": 11.0, "R@5": 30.0, "mean": 11.0}, 10, 20, 6, 700.0),
    Compared("film", {}, failed="There is no setting model.composer.x."),
]


@pytest.mark.parametrize("dataset", ["css-2d", "fashion-products"])
def test_every_composer_takes_part(dataset: str) -> None:
    methods = methods_of(dataset, "*")
    taking_part = {recipes[f"{dataset}/{method}"]().model.composer.name for method in methods}
    assert taking_part | NOT_RETRIEVAL == set(composers) | {"joint"}
    assert {"tirg-in-joint", "relationship-in-joint"} <= set(methods)


def test_patterns_choose_methods() -> None:
    assert methods_of("css-2d", "tirg-last-*,concat") == ["concat", "tirg-last-fc", "tirg-last-conv"]
    with pytest.raises(UnknownNameError, match=r"No recipe of dataset 'css-2d' matches 'x\*'; there are: image-only"):
        methods_of("css-2d", "x*")
    with pytest.raises(UnknownNameError, match=r"matches 'tirg-fc'; there are"):
        methods_of("css-2d", "concat,tirg-fc")
    with pytest.raises(UnknownNameError, match="there are: none"):
        methods_of("elsewhere", "*")


def test_a_method_that_composes_should_beat_the_baselines_by_far() -> None:
    found = {each.name: each for each in measurements(ROWS)}
    assert found["concat R@1"].holds is True
    assert found["concat R@1"].goal == "≥ 12"
    assert found["mrn R@1"].holds is False
    assert found["image-only R@1"].holds is None
    assert found["concat R@5"].holds is None
    assert found["film failed"].holds is False


def test_the_table_has_a_row_for_each_and_says_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    show("css-2d", ROWS)
    printed = capsys.readouterr().out
    assert "30.00" in printed
    assert "1,235 k" in printed
    assert "film: There is no setting model.composer.x." in printed


def test_a_method_that_fails_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    raised = {"concat": TrainingError("The loss is nan at step 1 of epoch 1."), "film": MemoryError("no room\nleft")}

    def one(root: Root, dataset: str, method: str, *_: Any) -> Compared:
        if method in raised:
            raise raised[method]
        return Compared(method, {"R@1": 1.0})

    monkeypatch.setattr(comparing, "open_dataset", lambda root, name: None)
    monkeypatch.setattr(comparing, "_compared", one)
    rows = compare(Root.open("/"), "css-2d", ["concat", "film", "mrn"], 1, (), Display.stderr())
    assert [row.failed for row in rows] == ["The loss is nan at step 1 of epoch 1.", "MemoryError: no room", ""]


def test_a_dataset_that_is_not_there_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "_compared", lambda *_: pytest.fail("a method was trained"))
    with pytest.raises(ArtifactError, match="css-2d"):
        compare(Root.open(str(tmp_path)), "css-2d", ["concat"], 1, (), Display.stderr())


@pytest.mark.parametrize(
    ("job", "arguments"),
    [
        ("compare_composers", ["--root", "nowhere", "--methods", "no-such"]),
        ("benchmark_composers", ["--set", "methods=no-such"]),
        ("benchmark_training", ["--set", "parts=[composers]", "--set", "methods=no-such"]),
    ],
)
def test_the_jobs_say_in_one_line_what_the_caller_can_mend(job: str, arguments: list[str]) -> None:
    script = Path(__file__).parents[2] / "jobs" / f"{job}.py"
    ended = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(
        "cirray: No recipe of dataset 'css-2d' matches 'no-such'; there are"
    )
    assert "Traceback" not in ended.stderr
