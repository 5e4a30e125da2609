"""`cirray tune` refuses what cannot be searched, before Ray is started."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cirray.cli.app import run
from cirray.storage import Root, move_alias
from tests.artifacts import png, put_dataset

RECIPE = "css-2d/tirg-last-fc"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Whoever asked for Ray would hear that nothing listens there.
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    generator = np.random.default_rng(0)
    names = [f"{number:03d}" for number in range(80)]
    items = [
        {
            "item_id": name,
            "splits": ["train"],
            "image": png(generator.integers(0, 255, (8, 8, 3)).astype(np.uint8)),
        }
        for name in names
    ]
    rows = [
        {"query_id": name, "reference_id": name, "target_id": names[(n + 7) % 80], "texts": ["redder"]}
        for n, name in enumerate(names)
    ]
    shelf = Root.open(str(tmp_path)).dataset("css-2d")
    put_dataset(shelf.place / "v", "css-2d", items, {"train": rows})
    move_alias(shelf.place, "latest", "v")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["css-2d/tirg"], "Did you mean"),
        ([RECIPE, "--metric", "R@7"], "has no metric 'R@7'"),
        ([RECIPE, "--cost", "money"], "There is no cost 'money'"),
        ([RECIPE, "--validation", "test"], "not judged by it"),
        ([RECIPE, "--validation", "dev"], "training.validation.split is 'dev'"),
        ([RECIPE, "--hold-out", "0.02"], "are the least"),
        ([RECIPE, "--space", "nowhere.yaml"], "nothing of that name"),
        ([RECIPE], "batch_size is 256"),
        ([RECIPE, "--set", "training.batch_size=16", "--workers-per-trial", "3"], "multiple of 3"),
        ([RECIPE, "--set", "training.batch_size=16"], "RAY_ADDRESS=127.0.0.1:1 does not answer"),
    ],
)
def test_it_says_at_once_what_does_not_fit(
    root: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hold_out = [] if "--hold-out" in arguments else ["--hold-out", "0.5"]
    assert run(["tune", *arguments, *hold_out, "--root", str(root)]) == 2
    assert message in capsys.readouterr().err
    assert not (root / "sweeps").exists()
