"""MLflow: a run on a tracking server, found again by its tag."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, Literal

from cirray.encoders.extras import optional
from cirray.tracking.summary import Point, State
from cirray.tracking.tracker import TrackedRun, Tracker, TrackerConfig, trackers

TAG = "cirray.run"
"""Tag with the run's fingerprint."""

EPOCH = "epoch"
"""Metric that is written last of each epoch's, and says which epochs are there."""

LONGEST = 6000
"""Characters of a parameter's value, at most."""

AT_ONCE = 100
"""Parameters in a request, at most."""

_STATUS: dict[State, str] = {"training": "RUNNING", "interrupted": "KILLED", "finished": "FINISHED"}


class MlflowConfig(TrackerConfig):
    """Settings of `Mlflow`. Server and credentials come from MLflow's own environment variables.

    Attributes:
        experiment: name of the experiment, which is made where there is none.
    """

    name: Literal["mlflow"] = "mlflow"
    experiment: str = "cirray"


@trackers.register("mlflow")
class Mlflow(Tracker):
    """Writes to the server or store that MLFLOW_TRACKING_URI names: points as metrics, settings as parameters."""

    Config = MlflowConfig

    def __init__(self, config: MlflowConfig, run: TrackedRun) -> None:
        super().__init__(config, run)
        # It would tell its makers how it is used.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        optional("mlflow", "mlflow", "Tracker 'mlflow'")

    def write(self, points: Sequence[Point]) -> None:
        """Write the points after the last that the server has.

        Raises:
            MlflowException: the server cannot be reached, or refuses.
        """
        from mlflow.entities import Metric

        last = int(self._client.get_run(self._run_id).data.metrics.get(EPOCH, 0))
        for point in points:
            if point.epoch > last:
                now = round(1000 * time.time())
                values = {**{_allowed(name): value for name, value in point.values.items()}, EPOCH: point.epoch}
                metrics = [Metric(name, value, now, point.epoch) for name, value in values.items()]
                self._client.log_batch(self._run_id, metrics=metrics)

    def end(self, state: State) -> None:
        """Set the run's status.

        Raises:
            MlflowException: the server cannot be reached, or refuses.
        """
        self._client.set_terminated(self._run_id, _STATUS[state])

    @cached_property
    def _client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient()

    @cached_property
    def _run_id(self) -> str:
        """The run's id on the server: the one that an earlier driver made, or else a new one."""
        from mlflow.entities import Param

        experiment, fingerprint = self._experiment_id(), self.run.identity
        found = self._client.search_runs([experiment], filter_string=f"tags.`{TAG}` = '{fingerprint}'", max_results=1)
        if found:
            run_id = str(found[0].info.run_id)
            self._client.update_run(run_id, status=_STATUS["training"])
        else:
            made = self._client.create_run(experiment, tags={TAG: fingerprint}, run_name=self.run.name)
            run_id = str(made.info.run_id)
        params = (Param(_allowed(name), value[:LONGEST]) for name, value in flat(self.run.settings))
        while some := list(islice(params, AT_ONCE)):
            self._client.log_batch(run_id, params=some)
        return run_id

    def _experiment_id(self) -> str:
        from mlflow.exceptions import MlflowException

        name = self.config.experiment
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(self._client.create_experiment(name))
        except MlflowException:
            # Another run may have been quicker.
            found = self._client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)


def flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield each plain setting of nested ones under its dotted name, lists and nothing at all as JSON."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value if isinstance(value, str) else json.dumps(value)


def _allowed(name: str) -> str:
    """Return a name as MLflow allows it: "R@10" is "R_at_10"."""
    return re.sub(r"[^\w./ -]", "_", name.replace("@", "_at_"), flags=re.ASCII)
