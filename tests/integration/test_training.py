"""Training on real Ray: two workers, killed in the middle, repeated, on a bucket."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray

from cirray.bundles import Bundle
from cirray.config import override
from cirray.datasets import PreparedDataset
from cirray.errors import CirrayError, ConfigError, TrainingError
from cirray.evaluation import evaluate, protocols
from cirray.recipes import RunConfig, recipes
from cirray.storage import Artifact, Location, Root
from cirray.training import Heartbeat, Scaling, train
from cirray.training.checkpoint import load_progress
from cirray.training.progress import EpochReport, Progress

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


def last_progress(root: Path) -> Progress | None:
    """Return the progress in the checkpoint that the only run under `root` would go on from, or in one before it."""
    for manifest in sorted((root / "runs").glob("*/checkpoints/*/manifest.json"), reverse=True):
        try:
            checkpoint = Artifact.open(Location.parse(str(manifest.parent)), "checkpoint")
            return load_progress(checkpoint)
        except CirrayError:  # followed by others and deleted
            continue
    return None


def resumed(bundle: Artifact, progress: Progress) -> bool:
    """Return whether the epochs of `progress` are in the bundle: done again, they would have taken another time."""
    history = [EpochReport.model_validate(each) for each in bundle.manifest.details["history"]]
    return tuple(history[: len(progress.history)]) == progress.history


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
    kept: list[Progress] = []
    later_steps: list[int] = []

    def kill_once(heartbeat: Heartbeat) -> None:
        if killed and heartbeat.pid not in killed:
            later_steps.append(heartbeat.step)
        if killed or heartbeat.step >= heartbeat.steps:
            return
        progress = last_progress(tmp_path)
        # In the middle of an epoch, and not of the first: both what is done and what is half done must be kept.
        if progress and progress.history and progress.partial.steps:
            kept.append(progress)
            killed.append(heartbeat.pid)
            os.kill(heartbeat.pid, signal.SIGKILL)

    often = config("training.checkpoint_every_steps=1")
    bundle, _ = train(root, often, dataset_of(root), TWO_WORKERS, on_heartbeat=kill_once)
    assert len(killed) == 1
    assert [epoch["epoch"] for epoch in bundle.manifest.details["history"]] == list(range(1, EPOCHS + 1))
    # Gone on with, not begun anew: no epoch was done twice, which would have taken another time.
    (progress,) = kept
    assert resumed(bundle, progress)
    steps_in_epoch = dataset_of(root).triplets("train").num_rows // 32
    assert later_steps
    assert min(later_steps) > len(progress.history) * steps_in_epoch + progress.partial.steps
    assert bundle.manifest.details["history"][len(progress.history)]["seconds"] > progress.partial.seconds
    # Same seed, same number of workers: not only similar, but the very same weights.
    assert losses(bundle) == losses(undisturbed[1])
    assert bundle.entry("model.safetensors").sha256 == undisturbed[1].entry("model.safetensors").sha256


DRIVER = """
import sys
import ray
from cirray.recipes import RunConfig
from cirray.datasets import PreparedDataset
from cirray.storage import Root
from cirray.training import Scaling, train

ray.init(address=sys.argv[1], log_to_driver=False)
root = Root.open(sys.argv[2])
config = RunConfig.model_validate_json(sys.argv[3])
train(root, config, PreparedDataset(root.dataset("css-2d").open()), Scaling(workers=2))
"""


@pytest.mark.slow
def test_a_run_whose_driver_is_killed_goes_on_when_it_is_started_again(
    undisturbed: tuple[Root, Artifact], css_root: str, tmp_path: Path
) -> None:
    root = root_with_data(css_root, str(tmp_path))
    address = ray.get_runtime_context().gcs_address
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, address, str(tmp_path), config().model_dump_json()],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        while not (progress := last_progress(tmp_path)) or not progress.history:
            assert driver.poll() is None, "the driver ended before its first checkpoint"
            time.sleep(0.05)  # a checkpoint is a file that appears; nothing tells of it
    finally:
        driver.kill()
    assert driver.wait() == -signal.SIGKILL
    assert len(progress.history) < EPOCHS

    bundle, trained = train(root, config(), dataset_of(root), TWO_WORKERS)
    assert trained
    assert resumed(bundle, progress)
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
        evaluate(Bundle.open(artifact), dataset_of(each), "test", protocols["standard"]).metrics
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
    pids: set[int] = set()
    with pytest.raises(
        TrainingError, match=r"^The (loss|norm of the gradient) is (nan|-?inf).*training\.learning_rate"
    ):
        train(root, hopeless, dataset_of(root), TWO_WORKERS, on_heartbeat=lambda heartbeat: pids.add(heartbeat.pid))
    # It would only fail again: no other worker was started, though workers may fail three times.
    assert len(pids) <= 1
