"""Checkpoints for tests, in plain folders."""

from __future__ import annotations

import shutil
from pathlib import Path

from cirray.recipes.keeping import KeepConfig
from cirray.storage import Artifact, Location
from cirray.training.checkpoint import Snapshot, save_checkpoint
from cirray.training.checkpoints import Checkpoints
from cirray.training.progress import Progress
from cirray.training.trainee import Trainee

RUN, FINGERPRINT = "css-2d/tirg", "f" * 64


def saved(folder: Path, trainee: Trainee, progress: Progress | None = None) -> Artifact:
    """Write a checkpoint in place of any other in `folder`, and return it."""
    shutil.rmtree(folder, ignore_errors=True)
    return save_checkpoint(
        Location.parse(str(folder)), Snapshot.of(trainee, progress or Progress()), RUN, FINGERPRINT
    )


def checkpoints(place: Location, **keep: object) -> Checkpoints:
    """Return the checkpoints below `place`; `keep` is the policy's settings."""
    return Checkpoints(place, RUN, FINGERPRINT, KeepConfig.model_validate(keep))


def path_of(checkpoint: Artifact, name: str) -> Path:
    """Return the file that a checkpoint in a folder has under a name."""
    return Path(checkpoint.place.path) / checkpoint.entry(name).path
