"""What checkpoints cost training: the share of its time, and the longest pause between two steps."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch

from cirray.cli.benchmark import Measurement, Results
from cirray.cli.benchmark_composers import with_resnet
from cirray.cli.benchmark_conditions import in_turn
from cirray.cli.benchmark_ready import ReadyData
from cirray.cli.benchmark_training_loop import open_data, sized
from cirray.cli.benchmark_training_settings import TrainingSettings
from cirray.datasets import PreparedDataset
from cirray.encoders import Vocabulary
from cirray.errors import TrainingError
from cirray.recipes import RunConfig
from cirray.storage import Location
from cirray.training.checkpoint import Snapshot
from cirray.training.checkpoints import Checkpoints
from cirray.training.data import TrainingData
from cirray.training.loop import fit
from cirray.training.progress import Progress
from cirray.training.saving import Saver
from cirray.training.trainee import Trainee


@dataclass
class Saved:
    """What one round of training came to.

    Attributes:
        seconds: of all steps, and of what checkpoints made them wait.
        pauses: seconds of each checkpoint in which no step was taken.
        bytes: of the last checkpoint.
    """

    seconds: float = 0.0
    pauses: list[float] = field(default_factory=list)
    bytes: int = 0


@dataclass(frozen=True)
class Rounds:
    """Rounds of training with and without checkpoints.

    Attributes:
        config: of the run.
        data: held in memory.
        vocabulary: of the run.
        folder: for checkpoints, which is deleted after each round.
    """

    config: RunConfig
    data: TrainingData
    vocabulary: Vocabulary
    folder: Path

    def without(self) -> Saved:
        """Train, and write nothing."""
        return self._train(lambda trainee, made: None)

    def saving(self) -> Saved:
        """Train, and write checkpoints as a worker of a run does: behind the back of training."""
        checkpoints = Checkpoints(Location.parse(str(self.folder)), self.config.name, "", self.config.training.keep)
        with Saver(checkpoints.save, _raise) as saver:
            made = self._train(lambda trainee, progress: saver(lambda: Snapshot.of(trainee, progress)))
        manifest = checkpoints.open(checkpoints.names()[-1]).manifest
        made.bytes = sum(entry.bytes for entry in manifest.files)
        shutil.rmtree(self.folder)
        return made

    def _train(self, save: Callable[[Trainee, Progress], None]) -> Saved:
        made = Saved()
        trainee = Trainee.build(self.config, self.vocabulary, self.data.steps, torch.device("cpu"))

        def on_progress(progress: Progress) -> None:
            paused = time.perf_counter()
            save(trainee, progress)
            made.pauses.append(time.perf_counter() - paused)

        started = time.perf_counter()
        fit(self.config, self.data, trainee, on_progress=on_progress)
        made.seconds = time.perf_counter() - started
        return made


def measure_checkpoints(results: Results, settings: TrainingSettings, dataset: PreparedDataset, folder: Path) -> None:
    """Time training with a checkpoint every so many steps and without any, in turn."""
    every = settings.saving_every
    config = sized(settings, epochs=1, batch_size=settings.saving_batch, checkpoint_every_steps=every)
    config = with_resnet(config, settings.saving_resnet)
    data, vocabulary = open_data(config, dataset)
    with closing(data.pixels):
        ready = ReadyData(data, settings.saving_steps)
    rounds = Rounds(config, ready, vocabulary, folder / "checkpoints")
    work = {"without": lambda turn: rounds.without(), "saving": lambda turn: rounds.saving()}
    # The first round warms up.
    found = {name: each[1:] for name, each in in_turn(work, settings.saving_rounds + 1).items()}
    pairs = zip(found["saving"], found["without"], strict=True)
    lost = median(1 - without.seconds / saving.seconds for saving, without in pairs)
    pauses = [pause for each in found["saving"] for pause in each.pauses]
    step = 1000 * median(each.seconds for each in found["without"]) / ready.steps
    results.add(
        Measurement("a step without checkpoints", step, "ms", note=f"{settings.saving_batch} triplets"),
        Measurement("a checkpoint", found["saving"][-1].bytes / 2**20, "MiB", note=f"every {every} steps"),
        Measurement("checkpoints, share of the time lost", lost, "ratio", note="written while steps go on"),
        Measurement("checkpoints, longest pause", 1000 * max(pauses), "ms", note=f"of {len(pauses)}"),
        Measurement("checkpoints, median pause", 1000 * median(pauses), "ms"),
    )


def _raise(said: str) -> None:
    raise TrainingError(said)
