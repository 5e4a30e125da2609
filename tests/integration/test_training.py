"""Training on real Ray: two workers, killed in the middle, repeated, on a bucket."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from cirray.bundles import Bundle
from cirray.config import override
from cirray.datasets import PreparedDataset
from cirray.errors import ConfigError, TrainingError
from cirray.evaluation import evaluate
from cirray.recipes import RunConfig, recipes
from cirray.storage import Artifact, Location, Root
from cirray.training import Scaling, Sign, train

pytestmark = pytest.mark.ray

EPOCHS = 6
TWO_WORKERS = Scaling(workers=2)


def config(*assignments: str) -> RunConfig:
    small = (f"training.epochs={EPOCHS}", "training.batch_size=32")
    return override(recipes["css-2d/tirg-last-conv"](), [*small, *assignments])


def root_with_data(css_root: str, uri: str) -> Root:
    """Return a root of its own with the shared dataset in it."""
    source, target = Location.parse(css_root) / "datasets", Location.parse(uri) / "datasets"
    if target.is_local:
        shutil.copytree(source.path, target.path)
    else:
        for file in source.files():
            (target / file.path).write((source / file.path).read())
    return Root.open(uri)


def dataset_of(root: Root) -> PreparedDataset:
    return PreparedDataset(root.dataset("css-2d").open())


def losses(bundle: Artifact) -> list[float]:
    return [epoch["losses"]["total"] for epoch in bundle.manifest.details["history"]]


@pytest.fixture(scope="module")
def undisturbed(css_root: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Root, Artifact]:
    root = root_with_data(css_root, str(tmp_path_factory.mktemp("undisturbed")))
    bundle, trained = train(root, config(), dataset_of(root), TWO_WORKERS)
    assert trained
    return root, bundle


def test_the_model_learns_and_its_bundle_says_where_it_comes_from(undisturbed: tuple[Root, Artifact]) -> None:
    root, bundle = undisturbed
    manifest = bundle.manifest
    assert [epoch["epoch"] for epoch in manifest.details["history"]] == list(range(1, EPOCHS + 1))
    assert losses(bundle)[-1] < 0.8 * losses(bundle)[0]
    assert manifest.inputs == {"dataset": dataset_of(root).fingerprint}
    assert RunConfig.model_validate(manifest.settings, strict=False).training.epochs == EPOCHS
    assert root.model("css-2d/tirg-last-conv").open().version == bundle.version


def test_the_same_run_again_is_not_trained_again(undisturbed: tuple[Root, Artifact]) -> None:
    root, bundle = undisturbed
    again, trained = train(root, config(), dataset_of(root), TWO_WORKERS)
    assert not trained
    assert again.digest == bundle.digest


def test_a_run_whose_worker_is_killed_goes_on_and_ends_as_if_nothing_had_been(
    undisturbed: tuple[Root, Artifact], css_root: str, tmp_path: Path
) -> None:
    root = root_with_data(css_root, str(tmp_path))
    killed: list[int] = []

    def kill_once(sign: Sign) -> None:
        snapshots = list((tmp_path / "runs").glob("*/checkpoint_manager_snapshot.json"))
        registered = any(re.search(r"epoch-\d{5}-step-00000[1-9]", snapshot.read_text()) for snapshot in snapshots)
        if registered and not killed and sign.step < sign.steps:
            killed.append(sign.pid)
            os.kill(sign.pid, signal.SIGKILL)

    # Checkpoints within epochs, so that it goes on from the middle of one.
    often = config("training.checkpoint_every_steps=2")
    bundle, _ = train(root, often, dataset_of(root), TWO_WORKERS, on_sign=kill_once)
    assert len(killed) == 1
    assert [epoch["epoch"] for epoch in bundle.manifest.details["history"]] == list(range(1, EPOCHS + 1))
    # Same seed, same number of workers: not only similar, but the very same weights.
    assert losses(bundle) == losses(undisturbed[1])
    assert bundle.entry("model.safetensors").sha256 == undisturbed[1].entry("model.safetensors").sha256


def test_the_same_seed_gives_the_same_metrics_twice(
    undisturbed: tuple[Root, Artifact], css_root: str, bucket: str, tmp_path: Path
) -> None:
    """Train once more, with data, checkpoints and bundle in a bucket and pictures streamed this time, and compare."""
    root = root_with_data(css_root, f"{bucket}/{tmp_path.name}")
    bundle, trained = train(root, config("training.pixels=stream"), dataset_of(root), TWO_WORKERS)
    assert trained
    sources = [{epoch["pixels"] for epoch in each.manifest.details["history"]} for each in (undisturbed[1], bundle)]
    assert sources == [{"cache"}, {"stream"}]
    assert losses(bundle) == losses(undisturbed[1])
    recalls = [
        evaluate(Bundle.open(artifact), dataset_of(each), "test").recalls
        for each, artifact in ((root, bundle), undisturbed)
    ]
    assert recalls[0] == recalls[1]


def test_a_batch_that_the_workers_cannot_share_is_refused_at_once(undisturbed: tuple[Root, Artifact]) -> None:
    root, _ = undisturbed
    with pytest.raises(ConfigError, match="multiple of 2"):
        train(root, config("training.batch_size=33"), dataset_of(root), TWO_WORKERS)


def test_more_workers_than_the_cluster_holds_are_refused_instead_of_waited_for(
    undisturbed: tuple[Root, Artifact],
) -> None:
    root, _ = undisturbed
    with pytest.raises(TrainingError, match="do not fit a cluster of 4 CPUs"):
        train(root, config("training.batch_size=400"), dataset_of(root), Scaling(workers=400 // 8))
    with pytest.raises(TrainingError, match="need a GPU each"):
        train(root, config(), dataset_of(root), Scaling(workers=2, gpu=True))


def test_a_run_that_cannot_succeed_says_why(undisturbed: tuple[Root, Artifact]) -> None:
    root, _ = undisturbed
    hopeless = config("training.learning_rate=1e30", "training.gradient_clip=null", "training.optimizer=sgd")
    with pytest.raises(TrainingError, match=r"loss is (nan|-?inf).*training\.learning_rate"):
        train(root, hopeless, dataset_of(root), Scaling(workers=2, max_failures=0))
