"""What the driver of a sweep writes down, told by trials that are only played."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cirray.config import override
from cirray.datasets import PreparedDataset
from cirray.errors import TrainingError
from cirray.recipes import recipes
from cirray.storage import Root
from cirray.tuning import LogUniform, Space, dials_of
from cirray.tuning.ledger import Ledger, Outcome, recorded_run
from cirray.tuning.plan import SweepConfig
from cirray.tuning.trial import HISTORY, Job
from cirray.tuning.watch import Watch
from tests.artifacts import plain_png, put_dataset

RATE = "training.learning_rate"
EPOCHS = 4


@pytest.fixture
def dataset(tmp_path: Path) -> PreparedDataset:
    items = [{"item_id": name, "splits": ["train"], "image": plain_png((9, 9, 9))} for name in ("a", "b")]
    return put_dataset(Root.open(str(tmp_path)).dataset("css-2d").place / "v", "css-2d", items)


@pytest.fixture
def job(tmp_path: Path, dataset: PreparedDataset) -> Job:
    config = override(recipes["css-2d/concat"](), [f"training.epochs={EPOCHS}"])
    root = Root.open(str(tmp_path))
    return Job(
        root.place,
        dataset.artifact.place,
        root.sweeps(config.name) / "one",
        config,
        dials_of(Space(dials={RATE: LogUniform(low=1e-4, high=1.0)}), config),
        SweepConfig(trials=4, metric="R@1"),
        queries=5,
    )


class Play:
    """Calls a watch as Ray Tune does."""

    def __init__(self, job: Job, dataset: PreparedDataset) -> None:
        self.ledger = Ledger(job.ledger)
        self.notes: list[tuple[int, int, str]] = []
        self.lost = False
        self.watch = Watch(job, dataset, self.ledger.trials(), lambda *told: self.notes.append(told), self.check)

    def check(self) -> None:
        if self.lost:
            raise TrainingError("somebody else has the sweep")

    def start(self, name: str, rate: float) -> Any:
        trial = SimpleNamespace(trial_id=name, config={RATE: rate}, get_error=lambda: "Traceback\nRayError: gone")
        self.watch.on_trial_start(0, [], trial)
        return trial

    def result(self, trial: Any, *scores: float) -> None:
        history = [{"epoch": float(epoch), "R@1": score} for epoch, score in enumerate(scores, start=1)]
        self.watch.on_trial_result(0, [], trial, {HISTORY: history})


def test_a_trial_that_ends_before_its_last_epoch_was_stopped(job: Job, dataset: PreparedDataset) -> None:
    play = Play(job, dataset)
    trial = play.start("x", 0.0123456)
    play.result(trial, 1.0)
    play.result(trial, 1.0, 3.0)
    play.watch.on_trial_complete(0, [], trial)
    (found,) = play.ledger.trials()
    assert found.begun.values == {RATE: 0.0123}
    assert found.outcome is not None
    assert (found.outcome.ended, len(found.outcome.history)) == ("stopped", 2)
    known = recorded_run(Root(job.root), job.config.name, found.begun.run)
    assert known is not None
    assert (known.history, known.model) == (found.outcome.history, "")
    assert play.notes[-1] == (1, 4, "best R@1 3.00")


def test_a_trial_that_wrote_its_own_outcome_keeps_it(job: Job, dataset: PreparedDataset) -> None:
    play = Play(job, dataset)
    trial = play.start("x", 0.01)
    play.result(trial, 1.0)
    (begun,) = play.ledger.trials()
    play.ledger.end(begun.begun.run, Outcome(ended="failed", reason="The loss is nan."))
    play.watch.on_trial_error(0, [], trial)
    (found,) = play.ledger.trials()
    assert found.outcome is not None
    assert found.outcome.reason == "The loss is nan."
    assert play.watch.broken == {}


def test_what_broke_from_outside_has_no_outcome_and_takes_its_number_up_again(
    job: Job, dataset: PreparedDataset
) -> None:
    play = Play(job, dataset)
    play.watch.on_trial_complete(0, [], play.start("never reported", 0.02))
    play.watch.on_trial_error(0, [], play.start("broken", 0.01))
    assert list(play.watch.broken.values()) == ["RayError: gone"]
    assert [trial.outcome for trial in play.ledger.trials()] == [None, None]

    again = Play(job, dataset)
    again.start("first", 0.01)
    again.start("another", 0.05)
    # The same values for a second time are a trial of their own.
    again.start("twin", 0.01)
    rates = [trial.begun.values[RATE] for trial in again.ledger.trials()]
    assert rates == [0.02, 0.01, 0.05, 0.01]


def test_who_lost_the_sweep_begins_no_trial_more(job: Job, dataset: PreparedDataset) -> None:
    play = Play(job, dataset)
    play.start("x", 0.01)
    play.lost = True
    with pytest.raises(TrainingError, match="somebody else"):
        play.start("y", 0.02)
    assert [trial.begun.number for trial in play.ledger.trials()] == [0]
