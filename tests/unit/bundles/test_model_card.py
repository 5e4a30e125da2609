"""The model card: true from the first moment, with each evaluation as it comes, and readable by the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cirray.bundles import BundleDetails, evaluations, list_evaluations, save_bundle, save_evaluation
from cirray.cli.display import Display
from cirray.cli.operations import evaluate_bundle
from cirray.composers.curling_net import CurlingNetConfig
from cirray.datasets.prepared import PreparedDataset
from cirray.evaluation import Evaluation, protocols
from cirray.storage import Artifact, Location, Root, code_version
from tests.measured_models import measure, put_measured
from tests.service_world import put_world
from tests.small_models import VOCABULARY, small_retriever


@pytest.fixture
def dataset(place_uri: str) -> PreparedDataset:
    return put_world(Root.open(place_uri), 4)


@pytest.fixture
def bundle(place_uri: str, dataset: PreparedDataset) -> Artifact:
    return put_measured(Root.open(place_uri), dataset, None, 0)


def card(bundle: Artifact) -> str:
    return (bundle.place / "README.md").read().decode()


def front_matter(text: str) -> dict[str, Any]:
    _, front, _ = text.split("---\n", 2)
    found: dict[str, Any] = yaml.safe_load(front)
    return found


def saved(folder: Path, composer: Any, **given: Any) -> Artifact:
    return save_bundle(
        Location.parse(str(folder / "v")),
        name="tiny/other",
        fingerprint="f" * 64,
        model=small_retriever(composer),
        vocabulary=VOCABULARY,
        inputs={},
        **{"settings": {}, "details": {}, **given},
    )


def test_a_new_bundle_says_what_it_is_and_that_nobody_measured_it(bundle: Artifact, dataset: PreparedDataset) -> None:
    text = card(bundle)
    front = front_matter(text)
    assert front["library_name"] == "cirray"
    assert "tirg-last-conv" in front["tags"]
    assert front["datasets"] == ["tiny"]
    assert "model-index" not in front
    assert f"# {bundle.manifest.name}\n" in text
    assert "Composing Text and Image for Image Retrieval" in text
    assert f"`{dataset.name}@{dataset.artifact.version}`" in text
    assert dataset.fingerprint in text
    assert f"{bundle.manifest.counts['parameters']:,} parameters" in text
    assert "Not measured when this was written." in text
    assert code_version().sources[:16] in text
    assert f"torch {bundle.manifest.versions['torch']}" in text


def test_each_evaluation_is_on_the_card_with_its_protocol(bundle: Artifact, dataset: PreparedDataset) -> None:
    measure(bundle, dataset, 12.5)
    by_category = Evaluation("test", "shoes", 5, 6, {"R@1": 3.0, "mean": 3.0}, {"hats": {"R@1": 7.25}})
    save_evaluation(bundle, dataset, protocols["shoes"], by_category)
    text = card(bundle)
    assert "Not measured" not in text
    assert "| all | 12.50 | 25.00 | 12.50 |" in text
    assert "| hats | 7.25 | – |" in text
    (index,) = front_matter(text)["model-index"]
    assert index["name"] == bundle.manifest.name
    standard, shoes = sorted(index["results"], key=lambda result: str(result["dataset"]["args"]["protocol"]))[::-1]
    assert standard["dataset"]["args"] == {"protocol": "standard", "fingerprint": dataset.fingerprint}
    assert standard["dataset"]["split"] == "test"
    assert {"type": "recall", "name": "R@1 (standard)", "value": 12.5} in standard["metrics"]
    assert shoes["dataset"]["args"]["protocol"] == "shoes"
    # Measured again, the new figure takes the place of the old one.
    measure(bundle, dataset, 13.0)
    assert "| all | 13.00 |" in card(bundle)
    assert "12.50" not in card(bundle)


def test_the_hub_reads_the_metadata(bundle: Artifact, dataset: PreparedDataset) -> None:
    hub = pytest.importorskip("huggingface_hub")
    measure(bundle, dataset, 12.5)
    data = hub.ModelCard(card(bundle)).data
    assert (data.library_name, data.datasets, data.metrics) == ("cirray", ["tiny"], ["recall"])
    assert [(result.metric_name, result.metric_value) for result in data.eval_results] == [
        ("R@1 (standard)", 12.5),
        ("R@10 (standard)", 25.0),
        ("mean (standard)", 12.5),
    ]


def test_of_two_evaluations_at_once_the_card_tells_both(
    bundle: Artifact, dataset: PreparedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Evaluation("test", "shoes", 5, 6, {"R@1": 77.0, "mean": 77.0})
    listed = list_evaluations

    def meanwhile(of: Artifact) -> list[evaluations.EvaluationRecord]:
        found = listed(of)
        monkeypatch.setattr(evaluations, "list_evaluations", listed)
        # The other process writes its card between our listing and our card.
        save_evaluation(bundle, dataset, protocols["shoes"], other)
        return found

    monkeypatch.setattr(evaluations, "list_evaluations", meanwhile)
    measure(bundle, dataset, 12.5)
    assert "| all | 12.50 |" in card(bundle)
    assert "| all | 77.00 |" in card(bundle)


def test_a_card_that_a_kill_left_behind_is_completed_by_the_same_evaluation(
    bundle: Artifact, dataset: PreparedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluated() -> None:
        evaluate_bundle(bundle, dataset, "test", protocols["standard"], Display.stderr())

    def die(_: Artifact) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(evaluations, "complete_card", die)
        with pytest.raises(KeyboardInterrupt):
            evaluated()
    assert "Not measured when this was written" in card(bundle)
    monkeypatch.setattr("cirray.cli.operations.evaluate", lambda *_: pytest.fail("measured twice"))
    evaluated()
    assert "Protocol `standard`" in card(bundle)


def test_how_it_was_trained_is_written_out(tmp_path: Path) -> None:
    artifact = saved(
        tmp_path,
        "image-only",
        settings={"split": "train", "seed": 3, "training": {"epochs": 5}, "objective": {"main": {"name": "x"}}},
        details={"dataset": "d@1", "scaling": {"workers": 2}, "metrics": {"loss (total)": 0.12345}},
    )
    text = card(artifact)
    assert "split `train`" in text
    assert "with 2 workers" in text
    assert "loss (total) at the end of training: 0.1235" in text
    assert "training:\n  epochs: 5" in text
    assert "It does not read the text." in text
    assert artifact.details(BundleDetails).code == code_version()


def test_limits_follow_from_the_model(tmp_path: Path) -> None:
    text = card(saved(tmp_path, CurlingNetConfig(dim=4, fusion_rank=2)))
    assert "it can re-rank, but no gallery can be indexed" in text
    assert "cirray index build" not in text
    assert "does not read the text" not in text
    assert "Not recorded." in text


def test_records_of_other_weights_and_other_files_are_no_evaluations(
    place_uri: str, bundle: Artifact, dataset: PreparedDataset
) -> None:
    other = put_measured(Root.open(place_uri), dataset, 50.0, 1)
    measure(bundle, dataset, 12.5)
    (record,) = list_evaluations(bundle)
    folder = bundle.place / "evaluations"
    (copied,) = (each for each in (other.place / "evaluations").files() if each.path.endswith(".json"))
    (folder / "copied.json").write((other.place / "evaluations" / copied.path).read())
    (folder / "notes.txt").write(b"text")
    (folder / "broken.json").write(b"{")
    (folder / "deeper" / copied.path).write((folder / copied.path).read())
    assert list_evaluations(bundle) == [record]
