"""What the operations refuse before anything long begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cirray.bundles import save_bundle
from cirray.cli.display import Display
from cirray.cli.operations import build_index, evaluate_model, open_dataset
from cirray.cli.training import train_model
from cirray.composers import ModelConfig, Retriever
from cirray.composers.curling_net import CurlingNetConfig
from cirray.encoders import Preprocessing, Vocabulary
from cirray.encoders.images.small_cnn import SmallCnnConfig
from cirray.encoders.texts.lstm import LstmConfig
from cirray.errors import ArtifactError, ConfigError, LowRecallError
from cirray.evaluation import evaluation
from cirray.index.build import BuildResult
from cirray.recipes import recipes
from cirray.storage import Artifact, Root
from cirray.training import Scaling, run_fingerprint
from tests.service_world import DATASET, INDEX, MODEL, make_root

DISPLAY = Display.stderr()
RECIPE = "css-2d/tirg-last-conv"


@pytest.fixture
def root(tmp_path: Path) -> Root:
    root = make_root(tmp_path / "root", num_scenes=6)
    shelf = root.dataset(DATASET)
    shelf.point_at(shelf.versions()[0])
    return root


@pytest.fixture
def re_ranker(root: Root) -> str:
    vocabulary = Vocabulary.of(["make red"])
    config = ModelConfig(
        preprocessing=Preprocessing(height=8, width=8),
        image_encoder=SmallCnnConfig(widths=(4,), strides=(2,)),
        text_encoder=LstmConfig(word_dim=4, dim=4),
        composer=CurlingNetConfig(dim=4, fusion_rank=2),
    )
    shelf = root.model("tiny/re-ranker")
    artifact = save_bundle(
        shelf.version("a" * 64),
        name="tiny/re-ranker",
        fingerprint="a" * 64,
        model=Retriever(config, vocabulary),
        vocabulary=vocabulary,
        inputs={},
        settings={},
        details={"dataset": DATASET},
    )
    shelf.point_at(artifact.version)
    return "tiny/re-ranker"


Verb = Callable[[Root, str], object]
VERBS: list[Verb] = [
    lambda root, model: evaluate_model(root, model, None, "test", None, DISPLAY),
    lambda root, model: build_index(root, model, None, "test", "x", 2, (), DISPLAY),
]


def test_a_re_ranker_is_not_indexed(root: Root, re_ranker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "open_source", lambda *_: pytest.fail("pictures were decoded"))
    refusal = "'curling-net' of model tiny/re-ranker serves as a re-ranker only.*cirray evaluate"
    with pytest.raises(ConfigError, match=refusal):
        build_index(root, re_ranker, None, "test", "x", 2, (), DISPLAY)


def test_a_re_ranker_is_evaluated_pair_by_pair(root: Root, re_ranker: str, capfd: pytest.CaptureFixture[str]) -> None:
    record = evaluate_model(root, re_ranker, None, "test", None, Display.stderr())
    assert record.model.startswith(f"{re_ranker}@")
    assert set(record.metrics) == {"R@1", "R@5", "R@10", "R@50", "mean"}
    assert "every query is scored with every gallery item" in capfd.readouterr().err


@pytest.mark.parametrize("verb", VERBS)
def test_a_bundle_without_details_is_refused(root: Root, verb: Verb) -> None:
    artifact = root.model(MODEL).open()
    changed = artifact.manifest.model_copy(update={"details": {}})
    (artifact.place / "manifest.json").write(changed.model_dump_json().encode())
    with pytest.raises(ArtifactError, match=r"bundle at .* is corrupt or of another version: dataset"):
        verb(root, MODEL)


@pytest.mark.parametrize("details", [{}, {"history": []}, {"history": [{"epoch": 1}]}])
def test_a_finished_training_without_its_history_is_refused(root: Root, details: dict[str, object]) -> None:
    config = recipes[RECIPE]().model_copy(update={"dataset": DATASET})
    identity = run_fingerprint(config, open_dataset(root, DATASET), Scaling())
    done = root.model(MODEL).open().manifest.model_copy(update={"details": {"dataset": DATASET, **details}})
    (root.model(config.name).version(identity) / "manifest.json").write(done.model_dump_json().encode())
    with pytest.raises(ArtifactError, match="history"):
        train_model(root, RECIPE, DATASET, 1, False, (), DISPLAY)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.text_encoder.dim", "0"),
        ("model.text_encoder.word_dim", "-1"),
        ("model.text_encoder.dropout", "2"),
        ("model.composer.dim", "0"),
        ("model.image_encoder.widths", "[8, 0, 8]"),
        ("model.image_encoder.strides", "[4, 0, 1]"),
    ],
)
def test_sizes_of_a_model_are_at_least_one(root: Root, key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"{key.rpartition('.')[2]}.*should be"):
        train_model(root, RECIPE, DATASET, 1, False, (f"{key}={value}",), DISPLAY)


def test_settings_that_give_no_model_are_refused_before_a_worker_starts(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Retriever, config: ModelConfig, vocabulary: Vocabulary) -> None:
        raise ValueError("heads do not divide the dimension")

    monkeypatch.setattr(Retriever, "__init__", refuse)
    monkeypatch.setattr("cirray.training.run.Run._fit", lambda *_: pytest.fail("workers were started"))
    with pytest.raises(ConfigError, match="tirg-last-conv give no model: heads do not divide"):
        train_model(root, RECIPE, DATASET, 1, False, ("split=test", "training.batch_size=2"), DISPLAY)


def test_too_many_shards_are_refused_as_a_setting(root: Root) -> None:
    with pytest.raises(ConfigError, match=r"num_shards.*1024.*2000"):
        build_index(root, MODEL, None, "test", "x", 2000, (), DISPLAY)


def _as_built(monkeypatch: pytest.MonkeyPatch, artifact: Artifact, *, live: bool) -> None:
    monkeypatch.setattr("cirray.index.build.build_index", lambda *_, **__: BuildResult(artifact, True, live))


def test_the_summary_of_an_index_tells_what_it_is_and_what_it_finds(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    _as_built(monkeypatch, root.index(INDEX).open(), live=True)
    summary = build_index(root, MODEL, None, "test", INDEX, 2, (), DISPLAY)
    assert (summary["kind"], summary["dials"], summary["recall_at_10"]) == ("flat", {}, 1.0)
    assert {"why", "bytes_per_vector", "build_seconds", "recall_queries", "verified_queries"} <= summary.keys()


def test_an_index_that_did_not_go_live_is_an_error_of_the_verb(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    flat = root.index(INDEX).open()
    recall = {"at_10": 0.7, "queries": 10, "asked": "composed", "least": 0.95}
    details = {**flat.manifest.details, "kind": "hnsw", "dials": {"ef_search": 16}, "recall": recall}
    low = Artifact(flat.place, flat.manifest.model_copy(update={"details": details}))
    _as_built(monkeypatch, low, live=False)
    with pytest.raises(LowRecallError, match=r"finds 0\.7000 .*kind hnsw \(ef_search 16\).*dials\.ef_search="):
        build_index(root, MODEL, None, "test", INDEX, 2, (), DISPLAY)


def test_a_setting_of_an_index_is_refused_by_name(root: Root) -> None:
    with pytest.raises(ConfigError, match=r"'flat' has no dial 'nprobe'"):
        build_index(root, MODEL, None, "test", "x", 2, ("kind=flat", "dials.nprobe=4"), DISPLAY)
