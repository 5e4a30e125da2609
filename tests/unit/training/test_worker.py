"""What a worker does, in this process and without Ray: it goes on where it was stopped, and stops when it must."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray.train
import torch

from cirray.config import override
from cirray.datasets.prepared import PreparedDataset
from cirray.encoders import Vocabulary
from cirray.errors import TrainingError
from cirray.recipes import RunConfig, recipes
from cirray.storage import Location, Root
from cirray.storage.lease import lease
from cirray.training import worker
from cirray.training.checkpoint import load_progress
from cirray.training.checkpoints import Checkpoints
from cirray.training.data import make_sampler, training_texts
from cirray.training.progress import EpochReport
from cirray.training.worker import Assignment, Claim, work
from tests.checkpoints import FINGERPRINT, RUN, path_of
from tests.service_world import put_world

STEPS, EPOCHS = 3, 2


class Board:
    """Hears what a worker says, and what its epochs came to."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.say = SimpleNamespace(remote=self.said.append)
        self.histories: list[tuple[EpochReport, ...]] = []
        self.record = SimpleNamespace(remote=self.histories.append)


@pytest.fixture
def dataset(tmp_path: Path) -> PreparedDataset:
    return put_world(Root.open(str(tmp_path / "root"), create=True), num_scenes=4)


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Be the only worker of a run; return what it reports to Ray."""
    context = SimpleNamespace(get_world_rank=lambda: 0, get_world_size=lambda: 1, get_local_world_size=lambda: 1)
    metrics: list[dict[str, Any]] = []
    monkeypatch.setattr(ray.train, "get_context", lambda: context)
    monkeypatch.setattr(ray.train, "report", metrics.append)
    monkeypatch.setattr(worker, "get_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(worker, "prepare_model", lambda step, **_: step)
    monkeypatch.setattr(worker, "broadcast_from_rank_zero", lambda data: data)
    monkeypatch.setattr(worker, "_rows", lambda config: None)
    monkeypatch.setattr(worker, "asides", lambda model, progress: {})
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    return metrics


def config() -> RunConfig:
    small = (
        "split=test",
        "training.batch_size=4",
        f"training.epochs={EPOCHS}",
        "training.checkpoint_every_steps=1",
        "training.keep.last=3",
        "model.image_encoder.widths=[3]",
        "model.image_encoder.strides=[4]",
        "model.text_encoder.word_dim=3",
        "model.text_encoder.dim=3",
        "model.composer.dim=4",
        "training.augmentations=[{name: horizontal-flip}]",
    )
    return override(recipes["css-2d/tirg-last-conv"](), small)


@contextmanager
def assigned(dataset: PreparedDataset, folder: Path) -> Iterator[Assignment]:
    """Yield what a worker is told of a run below `folder`."""
    place, run = Location.parse(str(folder)), config()
    vocabulary = Vocabulary.of(training_texts(run, make_sampler(run, dataset)), "tirg")
    checkpoints = Checkpoints(place / "checkpoints", RUN, FINGERPRINT, run.training.keep)
    with lease(place / "lease.json") as owner:
        claim = Claim(place / "lease.json", owner)
        yield Assignment(run, dataset.artifact.place, vocabulary, place, checkpoints, claim, Board())


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], None]) -> None:
    """Have something happen after a step, counted from 1."""

    def happens(done: int, steps: int, loss: float) -> None:
        if done == step:
            act()

    monkeypatch.setattr(worker, "Writer", lambda board, workers: happens)


def crash() -> None:
    raise RuntimeError("connection closed by peer")


def outcome(checkpoints: Checkpoints) -> tuple[bytes, list[dict[str, float]]]:
    """Return the weights and the losses of the last checkpoint."""
    last = checkpoints.open(checkpoints.names()[-1])
    return last.read("model.safetensors"), [report.losses for report in load_progress(last).history]


@pytest.mark.parametrize("step", [1, 2, 4, 6])
def test_a_worker_that_died_goes_on_and_ends_the_same(
    step: int,
    dataset: PreparedDataset,
    reported: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_step(monkeypatch, 0, crash)
    with assigned(dataset, tmp_path / "undisturbed") as undisturbed:
        work({"assignment": undisturbed})
    assert [metrics["epoch"] for metrics in reported] == [1, 2]
    assert [[report.epoch for report in history] for history in undisturbed.board.histories] == [[1], [1, 2]]
    with assigned(dataset, tmp_path / "disturbed") as told:
        at_step(monkeypatch, step, crash)
        with pytest.raises(RuntimeError, match="peer"):
            work({"assignment": told})
        # What was handed over before it died is on the root: nothing but the step in which it died is lost.
        done = divmod(step - 1, STEPS)
        expected = f"epoch-{done[0]:05d}-step-{done[1]:06d}"
        assert told.checkpoints.names()[-1:] == ([expected] if step > 1 else [])
        at_step(monkeypatch, 0, crash)
        work({"assignment": told})
        assert told.board.said == ([f"going on from checkpoint {expected} with 1 workers"] if step > 1 else [])
    assert outcome(told.checkpoints) == outcome(undisturbed.checkpoints)


def test_a_damaged_checkpoint_costs_time_and_nothing_else(
    dataset: PreparedDataset, reported: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_step(monkeypatch, 0, crash)
    with assigned(dataset, tmp_path / "run") as told:
        work({"assignment": told})
        whole, names = outcome(told.checkpoints), told.checkpoints.names()
        for name in names[1:]:
            path_of(told.checkpoints.open(name), "training.pt").write_bytes(b"rubbish")
        work({"assignment": told})
        damaged_last, damaged, gone_on = told.board.said
        assert names[2] in damaged_last
        assert names[1] in damaged
        assert gone_on == f"going on from checkpoint {names[0]} with 1 workers"
        assert outcome(told.checkpoints) == whole


def test_a_run_that_is_done_does_no_step_more(
    dataset: PreparedDataset, reported: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    monkeypatch.setattr(worker, "Writer", lambda board, workers: lambda done, *_: steps.append(done))
    with assigned(dataset, tmp_path / "run") as told:
        work({"assignment": told})
        work({"assignment": told})
    assert steps == list(range(1, STEPS * EPOCHS + 1))


def test_a_worker_whose_driver_lost_the_lease_writes_no_checkpoint_more(
    dataset: PreparedDataset, reported: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with assigned(dataset, tmp_path / "run") as told:
        at_step(monkeypatch, 2, (told.claim.lease).delete)
        with pytest.raises(TrainingError, match="not held by this driver any more"):
            work({"assignment": told})
        assert told.checkpoints.names()[1:] == []
        with pytest.raises(TrainingError, match="a root that all nodes reach"):
            work({"assignment": told})
