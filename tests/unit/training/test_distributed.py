"""The driver's side of a run, with no worker started."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cirray.bundles import Bundle
from cirray.config import override
from cirray.datasets.prepared import PreparedDataset
from cirray.encoders import Vocabulary
from cirray.errors import CirrayError, ConfigError, ConflictError, MismatchError, StorageError, TrainingError
from cirray.recipes import RunConfig, recipes
from cirray.storage import Location, Root, library_versions
from cirray.tracking import read_summary
from cirray.training import Scaling, identity, run_fingerprint, train, worker
from cirray.training.checkpoint import Snapshot
from cirray.training.checks import check_run
from cirray.training.progress import EpochReport, PartialEpoch, Progress
from cirray.training.run import Run
from cirray.training.scaling import resources_per_worker
from cirray.training.trainee import Trainee
from tests.checkpoints import path_of
from tests.service_world import DATASET, put_world

REPORT = EpochReport(
    epoch=1,
    losses={"total": 1.0},
    learning_rate=0.1,
    gradient_norm=1.0,
    seconds=1.0,
    triplets_per_s=1.0,
    waiting=0.0,
)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root.open(str(tmp_path / "root"), create=True)


@pytest.fixture
def dataset(root: Root) -> PreparedDataset:
    return put_world(root, num_scenes=4)


@pytest.fixture
def config() -> RunConfig:
    small = ["split=test", "training.epochs=1", "training.batch_size=4", "model.composer.dim=8"]
    return override(recipes["css-2d/tirg-last-conv"](), small)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """Put a checkpoint without the optimiser's state in the place of the workers; return what they were told."""
    told: list[RunConfig] = []

    def fit(run: Run, vocabulary: Vocabulary) -> None:
        told.append(run.config)
        trainee = Trainee.build(run.config, vocabulary, 1, torch.device("cpu"))
        run.checkpoints.save(Snapshot.of(trainee, Progress(history=(REPORT,))))
        checkpoint = run.checkpoints.open(run.checkpoints.names()[-1])
        path_of(checkpoint, "training.pt").unlink()

    monkeypatch.setattr(Run, "_fit", fit)
    return told


def test_a_bundle_says_which_dataset_it_was_trained_on(
    root: Root, dataset: PreparedDataset, config: RunConfig, trained: list[RunConfig]
) -> None:
    assert config.dataset != DATASET
    bundle, _ = train(root, config, dataset, Scaling())
    assert bundle.manifest.settings["dataset"] == DATASET
    assert bundle.manifest.details["dataset"].startswith(f"{DATASET}@")
    assert [told.dataset for told in trained] == [DATASET]
    assert train(root, config, dataset, Scaling())[1] is False


def test_a_bundle_takes_weights_and_history_from_the_checkpoint_and_nothing_else(
    root: Root, dataset: PreparedDataset, config: RunConfig, trained: list[RunConfig]
) -> None:
    bundle, _ = train(root, config, dataset, Scaling())
    assert bundle.manifest.details["history"] == [REPORT.model_dump(mode="json")]


def test_rare_words_are_left_out_of_the_vocabulary_where_that_is_set(
    root: Root, dataset: PreparedDataset, config: RunConfig, trained: list[RunConfig]
) -> None:
    bundle, _ = train(root, override(config, ["model.min_count=1000000"]), dataset, Scaling())
    assert Bundle.open(bundle).vocabulary.words == ()
    assert bundle.manifest.counts["words"] == 1


def test_after_a_change_of_the_code_a_run_is_another_run(
    dataset: PreparedDataset, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run_fingerprint(config, dataset, Scaling())
    assert run_fingerprint(config, dataset, Scaling()) == before
    monkeypatch.setattr(identity, "code_fingerprint", lambda *modules: "of another checkout")
    assert run_fingerprint(config, dataset, Scaling()) != before


def test_what_is_in_a_file_of_weights_decides_which_run_it_is(
    dataset: PreparedDataset, config: RunConfig, tmp_path: Path
) -> None:
    weights, vectors = tmp_path / "weights.pth", tmp_path / "glove.txt"
    words = json.dumps({"name": "glove", "files": [str(vectors)]})
    config = override(
        config,
        [
            "model.image_encoder.name=resnet",
            f"model.image_encoder.weights={weights}",
            f"model.text_encoder.words={words}",
        ],
    )
    seen = [run_fingerprint(config, dataset, Scaling())]
    for file, content in ((weights, b"one"), (weights, b"two"), (vectors, b"red 0.1"), (vectors, b"red 0.2")):
        file.write_bytes(content)
        seen.append(run_fingerprint(config, dataset, Scaling()))
        assert run_fingerprint(config, dataset, Scaling()) == seen[-1]
    assert len(set(seen)) == 5


def test_the_version_of_a_library_that_the_model_is_made_of_decides_which_run_it_is(
    dataset: PreparedDataset, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    timm = override(config, ['model.image_encoder={"name": "timm", "model": "test_resnet"}'])
    before = [run_fingerprint(each, dataset, Scaling()) for each in (timm, config)]
    known = library_versions()
    monkeypatch.setattr(identity, "library_versions", lambda *extras: known | dict.fromkeys(extras, "0.0.1"))
    after = [run_fingerprint(each, dataset, Scaling()) for each in (timm, config)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True]


def test_what_no_weight_depends_on_makes_no_other_run(dataset: PreparedDataset, config: RunConfig) -> None:
    before = run_fingerprint(config, dataset, Scaling())
    elsewise = override(
        config, ["training.pixels=stream", "training.checkpoint_every_steps=7", "training.keep.last=9"]
    )
    assert run_fingerprint(elsewise, dataset, Scaling(workers=4, min_workers=2)) == before
    assert run_fingerprint(config, dataset, Scaling(gpu=True)) != before
    assert run_fingerprint(override(config, ["training.joiner=or"]), dataset, Scaling()) != before


def test_the_number_of_workers_makes_another_run_only_where_each_has_statistics_of_its_own(
    dataset: PreparedDataset, config: RunConfig
) -> None:
    for statistics, differ in (("all-workers", False), ("frozen", False), ("worker", True), ("micro-batch", True)):
        run = override(config, [f"training.batch_statistics={statistics}"])
        one, two = (run_fingerprint(run, dataset, Scaling(workers=workers)) for workers in (1, 2))
        assert (one != two) is differ


@pytest.mark.parametrize("module", ["cirray.batches", "cirray.datasets.caption_pairs", "cirray.datasets.streaming"])
def test_code_that_makes_batches_decides_which_run_it_is(
    module: str, dataset: PreparedDataset, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run_fingerprint(config, dataset, Scaling())
    others = tuple(name for name in identity.DECIDING_CODE if name != module)
    monkeypatch.setattr(identity, "DECIDING_CODE", others)
    assert run_fingerprint(config, dataset, Scaling()) != before


def run_folder(root: Root) -> Path:
    (folder,) = (Path(root.place.path) / "runs").iterdir()
    return folder


@pytest.fixture
def never_scheduled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a run gets as far as Ray."""
    monkeypatch.setattr(Run, "_fit", lambda run, vocabulary: pytest.fail("workers were started"))


@pytest.mark.usefixtures("never_scheduled")
def test_a_run_that_was_trained_to_its_end_only_gets_its_bundle(
    root: Root, dataset: PreparedDataset, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(run: Run, vocabulary: Vocabulary) -> None:
        trainee = Trainee.build(run.config, vocabulary, 1, torch.device("cpu"))
        run.checkpoints.save(Snapshot.of(trainee, Progress(history=(REPORT,))))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Run, "_fit", killed)
        with pytest.raises(KeyboardInterrupt):
            train(root, config, dataset, Scaling())
    bundle, trained = train(root, config, dataset, Scaling())
    assert trained
    assert bundle.manifest.details["history"] == [REPORT.model_dump(mode="json")]


VALIDATED = [
    "training.epochs=9",
    "training.validation={split: test, patience: 1, metric: R@1}",
    "training.keep={last: 1}",
]
RECALLS = [10.0, 50.0, 20.0]


def stopped_early(run: Run, vocabulary: Vocabulary) -> None:
    """Put in the place of the workers what they leave of three epochs, the second being the best."""
    trainee = Trainee.build(run.config, vocabulary, 1, torch.device("cpu"))
    reports = [
        REPORT.model_copy(update={"epoch": number, "validation": {"R@1": recall}})
        for number, recall in enumerate(RECALLS, start=1)
    ]
    weight = next(trainee.kept.parameters())
    for epoch in (1, 2, 3):
        with torch.no_grad():
            weight.fill_(epoch)
        # Whoever goes on after a kill knows nothing but what is there.
        kept = replace(run.checkpoints)
        kept.save(Snapshot.of(trainee, Progress(history=tuple(reports[:epoch]))))
        if epoch < 3:
            kept.save(Snapshot.of(trainee, Progress(history=tuple(reports[:epoch]), partial=PartialEpoch(steps=1))))


@pytest.mark.parametrize(
    ("assignment", "epoch"), [([], 2), (["training.bundle=best"], 2), (["training.bundle=last"], 3)]
)
def test_a_bundle_has_the_best_epoch_where_training_stops_early_or_where_that_is_asked_for(
    assignment: list[str],
    epoch: int,
    root: Root,
    dataset: PreparedDataset,
    config: RunConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Run, "_fit", stopped_early)
    bundle, _ = train(root, override(config, [*VALIDATED, *assignment]), dataset, Scaling())
    details = bundle.manifest.details
    assert (details["epoch"], details["metrics"]["validation R@1"]) == (epoch, RECALLS[epoch - 1])
    assert len(details["history"]) == 3
    assert next(Bundle.open(bundle).model.parameters()).unique().tolist() == [epoch]
    assert f"validation R@1 in epoch {epoch}, whose" in (bundle.place / "README.md").read().decode()


def test_a_bundle_has_the_last_epoch_where_nothing_stops_training(config: RunConfig) -> None:
    run = override(config, ["training.validation.split=test"])
    assert run.training.bundle_metric is None
    assert override(run, ["training.bundle=best"]).training.bundle_metric == "mean"


def test_where_the_best_checkpoint_is_damaged_the_next_best_is_bundled_and_told(
    root: Root, dataset: PreparedDataset, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(run: Run, vocabulary: Vocabulary) -> None:
        stopped_early(run, vocabulary)
        path_of(run.checkpoints.open("epoch-00002-step-000000"), "model.safetensors").write_bytes(b"rubbish")

    said: list[str] = []
    monkeypatch.setattr(Run, "_fit", damaged)
    bundle, _ = train(root, override(config, VALIDATED), dataset, Scaling(), on_said=said.append)
    assert bundle.manifest.details["epoch"] == 3
    assert "epoch-00002-step-000000 is damaged, another is taken" in said[0]
    assert said[1:] == ["no checkpoint of epoch 2, the best, is there: the bundle is of epoch 3"]


@pytest.mark.usefixtures("never_scheduled")
def test_a_run_that_stopped_early_is_at_its_end(
    root: Root, dataset: PreparedDataset, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = override(config, VALIDATED)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_fit", stopped_early)
        bundle, _ = train(root, run, dataset, Scaling())
    bundle.place.delete()
    again, trained = train(root, run, dataset, Scaling())
    assert trained
    assert again.manifest.details["history"] == bundle.manifest.details["history"]
    assert sorted(path.name for path in (run_folder(root) / "checkpoints").iterdir()) == [
        "epoch-00002-step-000000",
        "epoch-00003-step-000000",
    ]


def test_a_run_that_goes_on_after_its_driver_died_has_each_epoch_once_in_its_curves_and_on_its_page(
    root: Root, dataset: PreparedDataset, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = override(config, ["training.epochs=4"])
    told: list[list[int]] = []

    def reports(epochs: int, loss: float) -> tuple[EpochReport, ...]:
        return tuple(REPORT.model_copy(update={"epoch": n, "losses": {"total": loss}}) for n in range(1, epochs + 1))

    def driver(saved: int, trained: int, loss: float) -> None:
        """Train up to epoch `trained`, of which only `saved` reach the root; die unless these are all."""

        def fit(run: Run, vocabulary: Vocabulary) -> None:
            for epochs in range(1, trained + 1):
                run.on_history(reports(epochs, loss))
            trainee = Trainee.build(run.config, vocabulary, 1, torch.device("cpu"))
            run.checkpoints.save(Snapshot.of(trainee, Progress(history=reports(saved, loss))))
            if saved < 4:
                raise KeyboardInterrupt

        epochs: list[int] = []
        told.append(epochs)
        monkeypatch.setattr(Run, "_fit", fit)
        train(
            root, run, dataset, Scaling(), lambda heartbeat: None, on_epoch=lambda report: epochs.append(report.epoch)
        )

    with pytest.raises(KeyboardInterrupt):
        driver(saved=1, trained=2, loss=2.0)
    found = read_summary(Location.parse(str(run_folder(root))))
    assert found is not None
    assert (found.state, [point.epoch for point in found.points]) == ("interrupted", [1, 2])
    driver(saved=4, trained=4, loss=1.0)
    scalars = EventAccumulator(str(run_folder(root))).Reload().Scalars("loss/total")
    assert [(event.step, event.value) for event in scalars] == [(1, 2.0), (2, 2.0), (3, 1.0), (4, 1.0)]
    found = read_summary(Location.parse(str(run_folder(root))))
    assert found is not None
    assert (found.state, [point.epoch for point in found.points]) == ("finished", [1, 2, 3, 4])
    assert [event.text for event in found.events] == ["ended by KeyboardInterrupt", "finished"]
    assert told == [[1, 2], [2, 3, 4]]


def test_no_bundle_is_made_of_half_a_run(
    root: Root, dataset: PreparedDataset, config: RunConfig, trained: list[RunConfig]
) -> None:
    with pytest.raises(TrainingError, match=r"its last checkpoint is not at .*same command again"):
        train(root, override(config, ["training.epochs=2"]), dataset, Scaling())
    assert root.model(config.name).versions() == []


def test_two_drivers_do_not_train_the_same_run(
    root: Root, dataset: PreparedDataset, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def fit(run: Run, vocabulary: Vocabulary) -> None:
        with pytest.raises(ConflictError) as caught:
            train(root, config, dataset, Scaling(workers=2), on_said=lambda text: None)
        refused.append(str(caught.value))
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "_fit", fit)
    with pytest.raises(KeyboardInterrupt):
        train(root, config, dataset, Scaling())
    (told,) = refused
    assert f"process {os.getpid()} of" in told
    assert "is alive" in told


def test_a_checkpoint_of_another_composer_is_refused_before_anything_is_scheduled(
    root: Root, dataset: PreparedDataset, config: RunConfig, trained: list[RunConfig]
) -> None:
    train(root, config, dataset, Scaling())
    first = run_folder(root)
    other = override(recipes["css-2d/image-only"](), ["split=test", "training.batch_size=4"])
    identity = run_fingerprint(other.model_copy(update={"dataset": dataset.name}), dataset, Scaling())
    first.rename(first.with_name(f"css-2d--image-only-{identity[:16]}"))
    with pytest.raises(MismatchError, match=r"is of a run of css-2d/tirg-last-conv with.*of css-2d/image-only with"):
        train(root, other, dataset, Scaling())
    assert len(trained) == 1


@pytest.mark.usefixtures("never_scheduled")
def test_a_root_that_cannot_be_written_is_told_before_anything_is_scheduled(
    root: Root, dataset: PreparedDataset, config: RunConfig
) -> None:
    (Path(root.place.path) / "runs").write_bytes(b"a file where a folder should be")
    with pytest.raises(StorageError, match=r"cannot be written.*Check that the path is right"):
        train(root, config, dataset, Scaling())


@pytest.mark.usefixtures("never_scheduled")
@pytest.mark.parametrize(
    ("assignments", "told"),
    [
        (["split=train"], "has no split 'train'"),
        (["training.batch_size=4000"], "there are only"),
        (["training.batch_size=3"], "cannot be shared"),
        (["training.sampler={name: caption-pairs}"], "caption"),
        (
            ["objective={retrieval: {name: sampled-classification, candidates: 9}}"],
            "batch_size is 4, but the loss 'sampled-classification'",
        ),
        (["training.validation={split: val}"], "has the splits test"),
        (["training.validation={split: test, protocol: fashioniq-a}"], "queries of split 'test' have none"),
        (["training.keep={best: 1, metric: validation/R@1}"], "none, since training.validation is null"),
        (["training.bundle=best"], "training.validation is null"),
        (["training.keep={best: 1, metric: los}"], "'los', which no epoch reports. Set it to loss, total, retrieval"),
    ],
)
def test_a_run_that_the_data_does_not_fit_is_refused_before_anything_is_scheduled(
    assignments: list[str], told: str, root: Root, dataset: PreparedDataset, config: RunConfig
) -> None:
    with pytest.raises(CirrayError, match=told):
        train(root, override(config, assignments), dataset, Scaling(workers=2))
    assert not (Path(root.place.path) / "runs").exists()


@pytest.mark.usefixtures("never_scheduled")
def test_a_reranker_that_is_to_classify_is_refused_before_anything_is_scheduled(
    root: Root, dataset: PreparedDataset
) -> None:
    classify = "training.validation={split: test, protocol: mit-states-compositions}"
    run = override(recipes["css-2d/curling-net"](), ["split=test", "training.batch_size=4", classify])
    with pytest.raises(ConfigError, match=r"'mit-states-compositions' compares.*is a re-ranker.*'standard'"):
        train(root, run, dataset, Scaling())
    check_run(override(run, ["model.composer.name=tirg-last-conv"]), dataset, Scaling())
    check_run(override(run, ["training.validation.protocol=standard"]), dataset, Scaling())


@pytest.mark.parametrize("cpus", range(2, 20))
@pytest.mark.parametrize("workers", range(1, 40))
def test_workers_leave_a_whole_cpu_for_data(cpus: int, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": float(cpus)})
    if (cpus - 1) / workers < 0.1:
        with pytest.raises(TrainingError, match="do not fit"):
            resources_per_worker(Scaling(workers=workers))
        return
    each = resources_per_worker(Scaling(workers=workers))["CPU"]
    assert 0.09 <= each <= 1.0
    assert round(100 * each) * workers <= 100 * (cpus - 1)


def test_workers_share_the_cores_that_they_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    context = SimpleNamespace(get_world_rank=lambda: 0, get_world_size=lambda: 4, get_local_world_size=lambda: 2)
    threads: list[int] = []
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(6)), raising=False)
    monkeypatch.setattr(ray.train, "get_context", lambda: context)
    monkeypatch.setattr(worker, "get_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    assert worker._world().size == 4
    assert threads == [3]
