"""Checkpoints: all that a run needs to go on as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch
from pydantic import ValidationError

from cirray.composers import Retriever
from cirray.errors import TrainingError
from cirray.training.progress import Progress
from cirray.training.trainee import Trainee

WEIGHTS = "model.safetensors"
AVERAGE = "average.safetensors"
STATE = "training.pt"
PROGRESS = "progress.json"


def save_checkpoint(folder: Path, trainee: Trainee, progress: Progress) -> None:
    """Write a checkpoint into `folder`, which exists and is empty."""
    safetensors.torch.save_model(trainee.step.model, str(folder / WEIGHTS))
    if trainee.average is not None:
        safetensors.torch.save_model(trainee.average.model, str(folder / AVERAGE))
    torch.save(trainee.state_dict(), folder / STATE)
    (folder / PROGRESS).write_text(progress.model_dump_json(indent=1))


def load_checkpoint(folder: Path, trainee: Trainee) -> Progress:
    """Put the checkpoint in `folder` into `trainee` and return how far it was.

    Raises:
        TrainingError: it is cut short, or of another run.
    """
    progress = load_progress(folder)
    _load(folder, WEIGHTS, trainee.step.model)
    if trainee.average is not None:
        _load(folder, AVERAGE, trainee.average.model)
    try:
        # By way of the CPU: the tensors remember the device that they were saved on, which need not be here.
        trainee.load_state_dict(torch.load(folder / STATE, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises whatever its parser stumbles over: IndexError, EOFError, …
        raise _unusable(folder, error) from error
    return progress


def load_weights(folder: Path, model: Retriever) -> None:
    """Put the weights of the checkpoint in `folder` into `model`, their average where the run keeps one.

    Raises:
        TrainingError: the checkpoint is cut short, or of another model.
    """
    _load(folder, AVERAGE if (folder / AVERAGE).exists() else WEIGHTS, model)


def _load(folder: Path, name: str, model: Retriever) -> None:
    try:
        safetensors.torch.load_model(model, str(folder / name))
    except Exception as error:  # as above
        raise _unusable(folder, error) from error


def load_progress(folder: Path) -> Progress:
    """Return how far the run of the checkpoint in `folder` was.

    Raises:
        TrainingError: the checkpoint is cut short.
    """
    try:
        return Progress.model_validate_json((folder / PROGRESS).read_text())
    except (OSError, ValidationError) as error:
        raise TrainingError(f"The checkpoint {folder} cannot be read: {error}.") from error


def _unusable(folder: Path, error: Exception) -> TrainingError:
    return TrainingError(
        f"The checkpoint {folder} cannot be used: {error}.",
        hint="Delete the run's folder under runs/ to start it over.",
    )
