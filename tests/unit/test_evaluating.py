"""`cirray evaluate` of one model and of several seeds, and `cirray compare`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cirray.bundles import read_outcomes
from cirray.cli import operations
from cirray.cli.app import run
from cirray.cli.display import Display
from cirray.cli.operations import evaluate_model, open_dataset, open_model
from cirray.storage import Root
from tests.service_world import DATASET, MODEL, put_bundle, put_world

COMPARED = ["compare", "{0}", "{1}", "--root", "{root}", "--out", "{root}/page.html"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    root = Root.open(str(tmp_path_factory.mktemp("evaluating") / "root"), create=True)
    dataset = put_world(root, num_scenes=6)
    root.dataset(DATASET).point_at(dataset.artifact.version)
    for seed in range(3):
        put_bundle(root, dataset, seed=seed)
    return root


@pytest.fixture(scope="module")
def models(root: Root) -> list[str]:
    return [f"{MODEL}@{version}" for version in root.model(MODEL).versions()]


def ran(arguments: list[str], root: Root, *models: str) -> int:
    return run([each.format(*models, root=root.place.path) for each in arguments])


def test_a_record_has_intervals_its_queries_and_a_page(
    root: Root, models: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ran(["evaluate", "--model", "{0}", "--root", "{root}", "--json"], root, models[0]) == 0
    told = json.loads(capsys.readouterr().out)
    page = Path(told["report"].removeprefix("file://"))
    assert models[0] in page.read_text()
    assert page.with_suffix(".json").exists()
    low, high = told["intervals"]["R@10"]
    assert low <= told["metrics"]["R@10"] <= high
    assert low < high
    table = pq.read_table(page.parent / told["outcomes"]["path"])
    triplets = open_dataset(root, DATASET).triplets("test")
    assert table["query_id"].to_pylist() == triplets["query_id"].to_pylist()
    ranks = np.array(table["rank"].to_pylist())
    assert 100 * np.mean(ranks <= 10) == pytest.approx(told["metrics"]["R@10"])
    labels = dict(zip(*(open_dataset(root, DATASET).items[c].to_pylist() for c in ("item_id", "label")), strict=True))
    for row in table.to_pylist():
        assert row["right"] == [labels[hit] == labels[row["target_id"]] for hit in row["hits"]]
        assert row["rank"] == row["right"].index(True) + 1 if any(row["right"]) else row["rank"] > 10
        assert row["reference_id"] not in row["hits"]
    # Found again: nothing is measured or drawn anew, but a page that is gone is.
    page.write_text("kept")
    monkeypatch.setattr(operations, "evaluate", lambda *_: pytest.fail("measured again"))
    assert ran(["evaluate", "--model", "{0}", "--root", "{root}"], root, models[0]) == 0
    assert page.read_text() == "kept"
    assert "intervals: R@1" in capsys.readouterr().out
    page.unlink()
    assert ran(["evaluate", "--model", "{0}", "--root", "{root}"], root, models[0]) == 0
    assert models[0] in page.read_text()


def test_several_seeds_have_a_spread(root: Root, models: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "--root", "{root}", *[part for n in range(3) for part in ("--model", f"{{{n}}}")]]
    assert ran([*arguments, "--json"], root, *models) == 0
    told = json.loads(capsys.readouterr().out)
    recalls = [each["metrics"]["R@10"] for each in told["models"]]
    assert [each["model"] for each in told["models"]] == models
    assert told["over_seeds"]["R@10"]["mean"] == pytest.approx(np.mean(recalls))
    assert told["over_seeds"]["R@10"]["deviation"] == pytest.approx(np.std(recalls, ddof=1))
    assert ran(arguments, root, *models) == 0
    assert f"{np.mean(recalls):.2f}" in capsys.readouterr().out


def test_two_models_are_compared_query_by_query(
    root: Root, models: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran([*COMPARED, "--json"], root, *models[:2]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["first"], told["second"]) == tuple(models[:2])
    ranks = []
    for name in models[:2]:
        record = evaluate_model(root, name, None, "test", None, Display.stderr())
        ranks.append(np.array(read_outcomes(open_model(root, name), record)["rank"].to_pylist()))
    assert told["gained"] == np.sum(ranks[1] < ranks[0])
    assert told["lost"] == np.sum(ranks[1] > ranks[0])
    found = told["differences"]["R@10"]
    assert found["difference"] == pytest.approx(100 * (np.mean(ranks[1] <= 10) - np.mean(ranks[0] <= 10)))
    assert found["mcnemar"]["only_second"] == np.sum((ranks[1] <= 10) & (ranks[0] > 10))
    page = Path(root.place.path) / "page.html"
    assert f"1. {models[0]}: right answer at rank" in page.read_text()
    assert json.loads(page.with_suffix(".json").read_text()) == told
    assert ran(COMPARED, root, *models[:2]) == 0
    assert "only 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (COMPARED, "given twice"),
        (["evaluate", "--root", "{root}", "--model", "{0}", "--model", "{1}"], "given twice"),
        (["compare", "{0}", "{2}", "--root", "{root}", "--out", "page.txt"], "path of an HTML page"),
        (["evaluate", "--root", "{root}", "--model", "{0}", "--model", "{3}"], "more than their seed: training"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_measured(
    root: Root,
    models: list[str],
    arguments: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cirray.cli.evaluating.evaluate_model", lambda *_: pytest.fail("measured"))
    other = put_bundle(root, open_dataset(root, DATASET), seed=0, version_of=77)
    changed = other.manifest.model_copy(update={"settings": {"seed": 1, "training": {"epochs": 3}}})
    (other.place / "manifest.json").write(changed.model_dump_json().encode())
    code = ran(arguments, root, models[0], models[0], models[1], f"{MODEL}@{other.version}")
    other.place.delete()
    assert code == 2
    assert says in capsys.readouterr().err
