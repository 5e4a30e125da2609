"""The command line: exit code 2 and one readable line for everything that the caller can mend."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cirray.cli.app import run
from cirray.prepare import PrepareConfig


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("prepare css-2d --root {root}/missing", "no folder"),
        ("prepare css-2d --root s3://", "names no bucket"),
        ("prepare css-4d --root {root}", "no dataset reader 'css-4d'; there are: "),
        ("prepare css-2d --root {root}", "dataset.json"),
        ("prepare css-2d --root {root} --set part_row=3", "part_rows"),
        ("generate css-2d --root {root} --set scenes=3", "num_scenes"),
        (
            "generate css-2d --root {root} --set num_scenes=60000",
            "1,140,720 images in split train; at most",
        ),
        ("generate css-3d --root {root} --set num_scenes=1000000000000", "less than or equal to 1000000"),
        ("generate cci --root {root} --set changes=20", "168,421 images; at most 100,000"),
        ("generate css-3d --root {root} --set stage.spacing=1", "objects touch"),
        ("generate css-4d --root {root}", "no world 'css-4d'; there are: cci, css-2d"),
        ("train --recipe css-2d/tirg --root {root}", "Did you mean"),
        ("train --recipe css-2d/tirg-last-conv --root {root}", "cirray prepare"),
        ("train --recipe css-2d/tirg-last-conv --root {root} --set training.epoch=3", "training.epochs"),
        ("evaluate --model nothing --root {root}", "cirray train"),
        ("compare nothing nobody --root {root}", "cirray train"),
        ("submit --model nothing --root {root} --out {root}/submission", "cirray train"),
        ("index build --model nothing --index x --root {root}", "cirray train"),
        ("serve --index nothing --root {root} --detach", "RAY_ADDRESS"),
        ("demo --root gs://x", "is not a place"),
        ("prepare css-2d --root=", "empty string"),
        ("index build --model nothing --index x --root {root} --shards 2000", "num_shards"),
        ("train --recipe css-2d/tirg-last-conv --root {root} --set name=2024-01-01", "JSON"),
    ],
)
def test_bad_input_gives_code_2_and_one_line(
    arguments: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(arguments.format(root=tmp_path).split())
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("cirray: ")]
    assert code == 2
    assert len(told) == 1
    assert says in told[0]


@pytest.mark.parametrize("arguments", ["", "fly", "train", "train --recipe x --workers none --root y"])
def test_wrong_usage_gives_code_2(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments.split()) == 2
    captured = capsys.readouterr()
    assert "Usage" in captured.out + captured.err


@pytest.mark.parametrize(
    "verb",
    [
        "generate",
        "prepare",
        "train",
        "tune",
        "evaluate",
        "compare",
        "submit",
        "index build",
        "serve",
        "feedback",
        "demo",
    ],
)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*verb.split(), "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


def test_a_world_is_generated_once_and_told_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["generate", "css-2d", "--root", str(tmp_path), "--set", "num_scenes=3", "--json"]
    assert run(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["changed"]
    assert first["counts"]["items_train"] == 3 + first["counts"]["triplets_train"]
    assert run(command) == 0
    assert json.loads(capsys.readouterr().out) == {**first, "changed": False}


def test_the_root_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CIRRAY_ROOT", str(tmp_path / "missing"))
    assert run(["prepare", "css-2d"]) == 2
    assert "missing" in capsys.readouterr().err


def test_settings_that_do_not_hold_are_told_in_one_line_wherever_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(PrepareConfig, "of", lambda reader, settings: PrepareConfig.model_validate({"part_rows": 0}))
    assert run(["prepare", "css-2d", "--root", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("cirray: The settings of PrepareConfig do not hold: ")
    assert "part_rows" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", ["serve --index nothing --root {root}", "demo --root {root}/file/x"])
def test_what_is_not_there_is_said_before_ray_starts(
    arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for module in ("cirray.cli.app", "cirray.cli.serving"):
        monkeypatch.setattr(f"{module}.ray_cluster", lambda: pytest.fail("Ray was started"))
    assert run(arguments.format(root=tmp_path).split()) == 2
