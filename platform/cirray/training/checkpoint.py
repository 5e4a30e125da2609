"""One checkpoint: all that a run needs to go on as if nothing had happened, as an artifact with checksums."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import safetensors.torch
import torch
from pydantic import Field, ValidationError
from torch import Tensor

from cirray.composers import Retriever
from cirray.config import Config
from cirray.errors import ArtifactError, TrainingError
from cirray.storage import Artifact, Location, Manifest, commit, put_file
from cirray.training.progress import Progress
from cirray.training.trainee import AVERAGE, MODEL, Trainee

KIND = "checkpoint"
WEIGHTS = {MODEL: "model.safetensors", AVERAGE: "average.safetensors"}
STATE = "training.pt"
PROGRESS = "progress.json"

VALIDATION = "validation/"
"""What the names of validation metrics begin with, to tell them from the parts of the loss."""


class CheckpointDetails(Config):
    """What the manifest of a checkpoint tells.

    Attributes:
        metrics: of the epoch that ends here; none in the middle of one.
    """

    metrics: dict[str, float] = Field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """The state of a run at one moment, copied: training may go on while this is written.

    Attributes:
        state: of the trainee's parts, all tensors on the CPU and this snapshot's own.
        progress: of the run.
    """

    state: Mapping[str, Any]
    progress: Progress

    @classmethod
    def of(cls, trainee: Trainee, progress: Progress) -> Snapshot:
        """Return a copy of what `trainee` is now."""
        return cls(_copied(trainee.state_dict()), progress)

    @property
    def name(self) -> str:
        """The name under which it is kept; names sort as the run goes."""
        return f"epoch-{len(self.progress.history):05d}-step-{self.progress.partial.steps:06d}"

    @property
    def metrics(self) -> dict[str, float]:
        """What the epoch that ends here came to: "loss", its parts, and where the epoch was validated the metrics of
        that as "validation/R@1"; nothing in the middle of an epoch.
        """
        if self.progress.partial.steps or not self.progress.history:
            return {}
        last = self.progress.history[-1]
        validation = {f"{VALIDATION}{name}": value for name, value in last.validation.items()}
        return {"loss": last.losses["total"], **last.losses, **validation}


def save_checkpoint(
    place: Location, snapshot: Snapshot, run: str, fingerprint: str, before_commit: Callable[[], None] = lambda: None
) -> Artifact:
    """Write a checkpoint at `place`; it exists only once all of it is there.

    Args:
        place: of this checkpoint.
        snapshot: what it holds.
        run: name of the recipe.
        fingerprint: of the run.
        before_commit: called when all files are written; what it raises keeps the checkpoint from existing.

    Raises:
        StorageError: it cannot be written.
    """
    rest = io.BytesIO()
    torch.save({name: state for name, state in snapshot.state.items() if name not in WEIGHTS}, rest)
    weights = {file: snapshot.state[part] for part, file in WEIGHTS.items() if part in snapshot.state}
    files = (
        *(put_file(place, file, safetensors.torch.save(dict(of_part))) for file, of_part in weights.items()),
        put_file(place, STATE, rest.getbuffer()),
        put_file(place, PROGRESS, snapshot.progress.model_dump_json(indent=1).encode()),
    )
    before_commit()
    details = CheckpointDetails(metrics=snapshot.metrics)
    manifest = Manifest(kind=KIND, name=run, fingerprint=fingerprint, details=details.model_dump(), files=files)
    return commit(place, manifest)


def load_checkpoint(checkpoint: Artifact, trainee: Trainee) -> Progress:
    """Put a checkpoint into `trainee` and return how far it was.

    Raises:
        ArtifactError: a file of it is damaged; the trainee is as it was.
        StorageError: it cannot be read.
        TrainingError: it does not fit the trainee.
    """
    weights = {part: checkpoint.read(file) for part, file in WEIGHTS.items() if file in checkpoint.names()}
    rest, progress = checkpoint.read(STATE), load_progress(checkpoint)
    try:
        # By way of the CPU: the tensors remember the device that they were saved on, which need not be here.
        state = torch.load(io.BytesIO(rest), map_location="cpu", weights_only=True)
        trainee.load_state_dict(state | {part: safetensors.torch.load(data) for part, data in weights.items()})
    except Exception as error:  # torch raises whatever its parser stumbles over: IndexError, EOFError, …
        raise _unusable(checkpoint, error) from error
    return progress


def load_weights(checkpoint: Artifact, model: Retriever) -> None:
    """Put the weights of a checkpoint into `model`, their average where the run keeps one.

    Raises:
        ArtifactError: they are damaged.
        StorageError: they cannot be read.
        TrainingError: they are of another model.
    """
    weights = checkpoint.read(WEIGHTS[AVERAGE if WEIGHTS[AVERAGE] in checkpoint.names() else MODEL])
    try:
        model.load_state_dict(safetensors.torch.load(weights))
    except Exception as error:  # as above
        raise _unusable(checkpoint, error) from error


def load_progress(checkpoint: Artifact) -> Progress:
    """Return how far the run of a checkpoint was.

    Raises:
        ArtifactError: it is damaged.
        StorageError: it cannot be read.
    """
    try:
        return Progress.model_validate_json(checkpoint.read(PROGRESS))
    except ValidationError as error:
        raise ArtifactError(f"The progress in the checkpoint {checkpoint.place} cannot be read: {error}.") from error


def load_whole(checkpoint: Artifact) -> Progress:
    """Return how far the run of a checkpoint was, after making sure that all of the checkpoint is sound.

    Raises:
        ArtifactError: a file of it is damaged.
        StorageError: it cannot be read.
    """
    for name in checkpoint.names():
        checkpoint.read(name)
    return load_progress(checkpoint)


def _copied(value: Any) -> Any:
    """Return a value with copies of its tensors on the CPU, each with a memory of its own and in plain order."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(inner) for inner in value)
    return value


def _unusable(checkpoint: Artifact, error: Exception) -> TrainingError:
    return TrainingError(
        f"The checkpoint {checkpoint.place} does not fit this run: {error}.",
        hint="Delete the run's folder under runs/ to start it over.",
    )
