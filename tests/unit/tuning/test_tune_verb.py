"""`cirray tune` refuses what cannot be searched, before Ray is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cirray.cli.app import run
from cirray.storage import Root, move_alias
from tests.artifacts import png, put_dataset

RECIPE = "css-2d/tirg-last-fc"
FITS = ("--set", "training.batch_size=16")


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
        (
            ["css-2d/curling-net", *FITS, "--protocol", "mit-states-compositions", "--metric", "accuracy@1"],
            "the model is a re-ranker",
        ),
        ([RECIPE, *FITS, "--protocol", "fashioniq-a"], "queries of split 'held-out' have none"),
        ([RECIPE, *FITS, "--set", "training.micro_batch=4"], "Set training.batch_statistics to micro-batch"),
        ([RECIPE, *FITS, "--set", "objective.retrieval={name: sampled-classification, candidates: 20}"], "needs 20"),
        ([RECIPE, *FITS, "--set", "split=dev"], "no split 'dev'"),
        (["fashion200k/mrn", *FITS, "--dataset", "css-2d"], "No two of the"),
    ],
)
def test_it_says_at_once_what_does_not_fit(
    root: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hold_out = [] if "--hold-out" in arguments else ["--hold-out", "0.5"]
    assert run(["tune", *arguments, *hold_out, "--root", str(root)]) == 2
    assert message in capsys.readouterr().err
    assert not (root / "sweeps").exists()


def tune(root: Path) -> str:
    """Return why a sweep that everything fits but Ray was refused, by a process that has no Ray from other tests."""
    asked = [sys.executable, "-m", "cirray", "tune", RECIPE, *FITS, "--hold-out", "0.5", "--root", str(root)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    refused = subprocess.run(asked, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    assert refused.returncode == 2
    return refused.stderr


def test_a_root_that_cannot_be_written_is_told_before_ray_is_asked(root: Path) -> None:
    (root / "sweeps").write_bytes(b"a file where a folder should be")
    assert "Check that the path is right and that you may use it" in tune(root)


HOLD = """
import sys
from cirray.storage import Location
from cirray.storage.lease import lease
with lease(Location.parse(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_driver_hears_of_the_first_and_takes_over_when_that_has_died(root: Path) -> None:
    assert "RAY_ADDRESS=127.0.0.1:1 does not answer" in tune(root)
    (file,) = (root / "sweeps").rglob("lease.json")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        assert f"held by process {first.pid} of" in (told := tune(root))
        assert "is alive" in told
        assert "RAY_ADDRESS" not in told
        first.kill()
    assert "RAY_ADDRESS=127.0.0.1:1 does not answer" in tune(root)
