"""The verbs `models …`: what they print, as text and as JSON, and how they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cirray.bundles import Bundle, find_evaluation, list_evaluations
from cirray.cli.app import run
from cirray.datasets.prepared import PreparedDataset
from cirray.evaluation import evaluate, protocols
from cirray.storage import Root
from tests.measured_models import put_dataset_of, put_measured
from tests.service_world import MODEL


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root.open(str(tmp_path / "root"), create=True)


@pytest.fixture
def dataset(root: Root) -> PreparedDataset:
    return put_dataset_of(root)


@pytest.fixture
def versions(root: Root, dataset: PreparedDataset) -> list[str]:
    return [put_measured(root, dataset, value, seed).version for seed, value in enumerate((10.0, 20.0))]


class Cli:
    """The command line on one root."""

    def __init__(self, root: Root, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.capsys = capsys

    def text(self, *arguments: str) -> str:
        assert run(["models", *arguments, "--root", self.root.uri]) == 0
        return self.capsys.readouterr().out

    def json(self, *arguments: str) -> Any:
        return json.loads(self.text(*arguments, "--json"))

    def refusal(self, *arguments: str) -> str:
        assert run(["models", *arguments, "--root", self.root.uri]) == 2
        return self.capsys.readouterr().err.splitlines()[-1]


@pytest.fixture
def cli(root: Root, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(root, capsys)


def test_promote_and_roll_back(cli: Cli, versions: list[str], dataset: PreparedDataset) -> None:
    first = cli.json("promote", f"{MODEL}@{versions[0]}", "--minimum", "5", "--by", "ann")
    assert (first["changed"], first["generation"], first["move"]["by"]) == (True, 1, "ann")
    refused = cli.refusal("promote", f"{MODEL}@{versions[1]}", "--margin", "10.5")
    assert refused.startswith("cirray: ")
    assert "at least 10.5 points more" in refused
    second = cli.json(
        "promote", f"{MODEL}@{versions[1]}", "--margin", "10", "--metric", "R@1", "--reason", "new data"
    )
    assert second["move"]["verdict"]["dataset_fingerprint"] == dataset.fingerprint
    assert (second["move"]["verdict"]["live_value"], second["move"]["reason"]) == (10.0, "new data")
    assert cli.json("promote", MODEL)["changed"] is False
    text = cli.text("rollback", MODEL, "--reason", "slow", "--by", "bob")
    assert f"model: {MODEL}@{versions[0]}" in text
    assert "rollback by bob: slow" in text
    assert "nothing" not in text
    assert "before it stood none" in cli.refusal("rollback", MODEL, "--reason", "slow")
    assert "Give it by --to" in cli.refusal("rollback", f"{MODEL}@{versions[1]}", "--reason", "slow")


def test_who_promotes_is_known_without_being_asked(
    cli: Cli, versions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "carol")
    assert cli.json("promote", f"{MODEL}@{versions[0]}")["move"]["by"].startswith("carol@")
    monkeypatch.setenv("CIRRAY_USER", "nightly job")
    assert cli.json("promote", f"{MODEL}@{versions[1]}")["move"]["by"] == "nightly job"


def test_what_the_gate_compares_is_measured_where_it_never_was_and_once(
    cli: Cli, root: Root, dataset: PreparedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles = [put_measured(root, dataset, None, seed) for seed in (0, 1)]
    one, other = (f"{MODEL}@{bundle.version}" for bundle in bundles)
    assert f"Run `cirray evaluate --model {one}" in cli.refusal("promote", one, "--no-measure")
    assert "there are: R@1, R@5" in cli.refusal("promote", one, "--metric", "R@7")
    assert "less than the minimum of 101" in cli.refusal("promote", one, "--minimum", "101")
    (first,), none = list_evaluations(bundles[0]), list_evaluations(bundles[1])
    assert none == []
    assert (first.split, first.protocol, first.dataset_fingerprint) == ("test", "standard", dataset.fingerprint)
    assert first.metrics == evaluate(Bundle.open(bundles[0]), dataset, "test", protocols["standard"]).metrics
    promoted = cli.json("promote", one)
    assert promoted["move"]["verdict"]["value"] == first.metrics["mean"]
    # After a change of the code that measures, the live one has no figure either.
    monkeypatch.setattr("cirray.bundles.evaluations.MEASURING_CODE", ("cirray.bundles.bundle",))
    cli.refusal("promote", other, "--margin", "100")
    again, second = (find_evaluation(bundle, dataset, "test", protocols["standard"]) for bundle in bundles)
    assert again is not None
    assert second is not None
    assert again.code == second.code != first.code
    monkeypatch.setattr("cirray.cli.operations.evaluate", lambda *_: pytest.fail("measured twice"))
    cli.refusal("promote", other, "--margin", "100")


def test_who_forces_a_promotion_does_not_wait_for_a_figure(cli: Cli, root: Root, dataset: PreparedDataset) -> None:
    bundle = put_measured(root, dataset, None, 0)
    forced = ["promote", MODEL, "--force", "--reason", "law"]
    assert "no evaluation that counts here" in cli.json(*forced)["move"]["overruled"]
    assert list_evaluations(bundle) == []
    measured = cli.json(*forced, "--measure", "--alias", "staging")["move"]
    assert (measured["overruled"], len(list_evaluations(bundle))) == ("", 1)


def test_force_needs_a_reason_and_says_what_it_overrules(
    cli: Cli, versions: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    cli.text("promote", f"{MODEL}@{versions[1]}")
    assert "--reason" in cli.refusal("promote", f"{MODEL}@{versions[0]}", "--force")
    forced = ["promote", f"{MODEL}@{versions[0]}", "--force", "--reason", "law"]
    assert "no metric 'R@7'" in cli.refusal(*forced, "--metric", "R@7")  # a slip of the pen is not overruled
    assert run(["models", *forced, "--root", cli.root.uri]) == 0
    captured = capsys.readouterr()
    assert "forced: " in captured.err
    assert "law; forced past: " in captured.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["promote", "nothing"], "cirray train"),
        (["promote", f"{MODEL}@live"], "Nor was an alias 'live' ever set"),
        (["promote", MODEL, "--protocol", "standart"], "Did you mean"),
        (["promote", MODEL, "--dataset", "nothing"], "cirray prepare"),
        (["promote", MODEL, "--metric", "R@7"], "there are: R@1"),
        (["promote", MODEL, "--split", "train"], "has no split 'train'"),
        (["promote", MODEL, "--split", "train", "--no-measure"], "cirray evaluate --model"),
        (["promote", MODEL, "--margin", "-1"], "0 or more"),
        (["promote", MODEL, "--alias", "latest"], "training alone moves"),
        (["rollback", MODEL, "--reason", "x"], "Nothing was ever promoted"),
        (["show", f"{MODEL}@v9"], "has no version 'v9'"),
        (["list", "other*"], f"there are: {MODEL}"),
    ],
)
def test_bad_input_is_told(cli: Cli, versions: list[str], arguments: list[str], says: str) -> None:
    assert says in cli.refusal(*arguments)


def test_a_rollback_without_a_reason_is_wrong_usage(
    cli: Cli, versions: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "rollback", MODEL, "--root", cli.root.uri]) == 2
    assert "--reason" in capsys.readouterr().err


def test_the_list_has_all_versions_with_their_aliases_and_figures(
    cli: Cli, root: Root, dataset: PreparedDataset, versions: list[str]
) -> None:
    cli.text("promote", f"{MODEL}@{versions[0]}")
    listed = {model["version"]: model for model in cli.json("list")}
    assert list(listed) == sorted(versions, key=lambda version: (listed[version]["made"], version))
    assert [listed[version]["aliases"] for version in versions] == [["live"], ["latest"]]
    record = listed[versions[1]]["evaluations"][0]
    assert (record["metrics"]["mean"], record["protocol"]) == (20.0, "standard")
    assert listed[versions[0]]["dataset_fingerprint"] == dataset.fingerprint
    text = cli.text("list", "tiny/*")
    assert all(version in text for version in versions)
    assert "20.00 standard, test" in text


def test_one_that_cannot_be_read_hides_none_of_the_others(cli: Cli, root: Root, versions: list[str]) -> None:
    (root.model(MODEL).place / versions[0] / "manifest.json").write(b"{")
    (root.place / "models" / "unfinished" / "0123456789abcdef" / "model.safetensors").write(b"half")
    listed = {model["version"]: model for model in cli.json("list")}
    assert set(listed) == set(versions)
    assert "corrupt" in listed[versions[0]]["problem"]
    assert listed[versions[1]]["problem"] == ""
    assert "corrupt" in " ".join(cli.text("list").split())


def test_an_empty_root_lists_nothing(cli: Cli) -> None:
    assert cli.json("list") == []


def test_show_tells_provenance_figures_and_history(cli: Cli, dataset: PreparedDataset, versions: list[str]) -> None:
    cli.text("promote", f"{MODEL}@{versions[0]}", "--by", "ann")
    cli.text("promote", f"{MODEL}@{versions[1]}", "--by", "bob", "--reason", "[/hotfix] :bug:")
    shown = cli.json("show", f"{MODEL}@live")
    assert (shown["version"], shown["aliases"]) == (versions[1], ["latest", "live"])
    assert shown["manifest"]["inputs"]["dataset"] == dataset.fingerprint
    assert [move["by"] for move in shown["promotions"]["live"]["moves"]] == ["ann", "bob"]
    # Also of a version that is not live, since who looks wants to know what is.
    text = cli.text("show", f"{MODEL}@{versions[0]}")
    assert f"alias live; a rollback goes to: {versions[0]}" in text
    assert "[/hotfix] :bug:" in text
    assert dataset.fingerprint in text
    assert "standard, test of" in text
