"""Weights & Biases: a run of theirs, with the fingerprint of ours as its id."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

from cirray.encoders.extras import optional
from cirray.storage.fingerprint import VERSION_LENGTH
from cirray.tracking.summary import Point, State
from cirray.tracking.tracker import TrackedRun, Tracker, TrackerConfig, trackers

MARK = "wandb.json"
"""File in the run's folder that says which epochs were handed over: offline there is nobody to ask."""

LOGIN_S = 20.0
"""Seconds after which a login that nobody answers is given up."""


class WandbConfig(TrackerConfig):
    """Settings of `Wandb`. Mode, server and credentials come from W&B's own environment variables.

    Attributes:
        project: that the run belongs to.
        entity: user or team that the project belongs to; null for W&B's default.
    """

    name: Literal["wandb"] = "wandb"
    project: str = "cirray"
    entity: str | None = None


@trackers.register("wandb")
class Wandb(Tracker):
    """Hands points to W&B, which sends them on, or with WANDB_MODE=offline keeps them in a folder for `wandb sync`.

    Offline, every driver of a run leaves a folder of its own, all under the same run id.
    """

    Config = WandbConfig

    def __init__(self, config: WandbConfig, run: TrackedRun) -> None:
        super().__init__(config, run)
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        self._wandb = optional("wandb", "wandb", "Tracker 'wandb'")

    def write(self, points: Sequence[Point]) -> None:
        """Hand over the points after the last that was.

        Raises:
            StorageError: the run's folder cannot be read or written.
            Exception: what W&B raises where it cannot begin.
        """
        mark = self.run.folder / MARK
        marked = json.loads(mark.read())["epoch"] if mark.exists() else 0
        # W&B's step is the next one that it would take.
        last = max(marked, self._run.step - 1)
        new = [point for point in points if point.epoch > last]
        for point in new:
            self._run.log(point.values, step=point.epoch)
        if new:
            mark.write(json.dumps({"epoch": new[-1].epoch}).encode())

    def end(self, state: State) -> None:
        """Hand over what W&B still holds, and close its run."""
        self._run.finish(exit_code=1 if state == "interrupted" else 0)

    @cached_property
    def _run(self) -> Any:
        # Of the machine that the driver is on, its console and its git checkout nothing is told.
        settings = self._wandb.Settings(
            console="off",
            silent=True,
            disable_git=True,
            save_code=False,
            x_disable_stats=True,
            x_disable_machine_info=True,
            login_timeout=LOGIN_S,
        )
        return self._wandb.init(
            project=self.config.project,
            entity=self.config.entity,
            name=self.run.name,
            id=self.run.identity[:VERSION_LENGTH],
            config=dict(self.run.settings),
            resume="allow",
            reinit="create_new",
            settings=settings,
        )
