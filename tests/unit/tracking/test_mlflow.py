"""MLflow, with a real store in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cirray.errors import ConfigError
from cirray.storage import Location
from cirray.tracking import Mlflow, MlflowConfig, Point, TrackedRun
from cirray.tracking.mlflow import flat

pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
pytest.importorskip("alembic", reason="MLflow's own store needs alembic")

pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),  # SQLAlchemy's, about MLflow
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # MLflow leaves SQLite open
]

SETTINGS = {"training": {"epochs": 5, "sampler": {"name": "shuffle"}}, "tags": [1, 2], "nothing": None}


def points(epochs: int) -> list[Point]:
    values = [{"loss/total": 1 / epoch, "validation/standard/R@1": 10.0 * epoch} for epoch in range(1, epochs + 1)]
    return [Point(epoch=epoch, values=each) for epoch, each in enumerate(values, start=1)]


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)
    from mlflow import MlflowClient

    return MlflowClient()


def tracker(folder: Path) -> Mlflow:
    run = TrackedRun("css-2d/tirg", "f" * 64, Location.parse(str(folder)), SETTINGS)
    return Mlflow(MlflowConfig(experiment="retrieval"), run)


def test_a_run_that_goes_on_is_the_same_run_with_each_epoch_once(client: Any, tmp_path: Path) -> None:
    first = tracker(tmp_path)
    first.write(points(2))
    first.end("interrupted")
    experiment = client.get_experiment_by_name("retrieval").experiment_id
    assert [run.info.status for run in client.search_runs([experiment])] == ["KILLED"]
    second = tracker(tmp_path)
    second.write(points(2))
    second.write(points(4))
    second.end("finished")
    (run,) = client.search_runs([experiment])
    assert (run.info.run_name, run.info.status) == ("css-2d/tirg", "FINISHED")
    assert run.data.params == dict(flat(SETTINGS))
    for name, factor in (("loss/total", None), ("validation/standard/R_at_1", 10.0)):
        history = client.get_metric_history(run.info.run_id, name)
        values = [1 / epoch if factor is None else factor * epoch for epoch in range(1, 5)]
        assert [(each.step, each.value) for each in history] == list(enumerate(values, start=1))


def test_settings_are_told_by_their_dotted_names() -> None:
    assert dict(flat(SETTINGS)) == {
        "training.epochs": "5",
        "training.sampler.name": "shuffle",
        "tags": "[1, 2]",
        "nothing": "null",
    }


def test_without_the_package_the_choice_is_refused_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.raises(ConfigError, match=r"cirray\[mlflow\]"):
        tracker(tmp_path)
