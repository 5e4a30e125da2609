"""Our training loop on one worker, against a bare loop of the same step on tensors in memory."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from statistics import median

import torch

from cirray.cli.benchmark import Measurement, Results
from cirray.cli.benchmark_bare_loop import BareLoop
from cirray.cli.benchmark_conditions import in_turn, median_ratio
from cirray.cli.benchmark_training_settings import RECIPE, TrainingSettings
from cirray.config import override
from cirray.datasets import PreparedDataset, open_source
from cirray.encoders import Vocabulary
from cirray.objectives import Batch
from cirray.recipes import RunConfig, recipes
from cirray.training.board import Writer, watched
from cirray.training.data import TrainingData, make_sampler
from cirray.training.epoch import StepDone
from cirray.training.loop import fit
from cirray.training.randomness import step_seed
from cirray.training.trainee import Trainee
from cirray.training.world import World

ALIKE = 1e-4
"""By how much the losses of both may differ, as a share: what rounding may do in a few steps."""


@dataclass(frozen=True)
class Round:
    """What one round of training came to: triplets a second, and the mean loss of each epoch."""

    rate: float
    losses: list[float]
    waiting: float = 0.0


@dataclass(frozen=True)
class Loops:
    """Both loops over the same triplets.

    Attributes:
        config: of the run.
        data: that ours cuts its batches from, as it goes.
        vocabulary: of the run.
        on_step: that ours reports each step to.
    """

    config: RunConfig
    data: TrainingData
    vocabulary: Vocabulary
    on_step: StepDone = lambda step, steps, loss: None

    def ours(self) -> Round:
        """Train with our loop, as a worker of a run does."""
        config = self.config
        trainee = Trainee.build(config, self.vocabulary, self.data.steps, torch.device("cpu"))
        started = time.perf_counter()
        history = fit(config, self.data, trainee, on_step=self.on_step).history
        seconds = time.perf_counter() - started
        waiting = sum(report.waiting * report.seconds for report in history) / seconds
        return Round(self._triplets() / seconds, [report.losses["total"] for report in history], waiting)

    def bare(self, batches: list[list[tuple[int, Batch]]]) -> Round:
        """Train with the bare loop on what `in_memory` returned."""
        loop = BareLoop(self.config, self.vocabulary, self.data.steps)
        started = time.perf_counter()
        losses = [loop.epoch(epoch) for epoch in batches]
        seconds = time.perf_counter() - started
        return Round(self._triplets() / seconds, [float(loss) for loss in losses])

    def in_memory(self) -> list[list[tuple[int, Batch]]]:
        """Return the batches of each epoch with the seeds of their steps."""
        return [list(self._seeded(epoch)) for epoch in range(self.config.training.epochs)]

    def _seeded(self, epoch: int) -> list[tuple[int, Batch]]:
        with closing(self.data.batches(epoch, 0, World())) as batches:
            return [(step_seed(self.config.seed, epoch, step), batch) for step, batch in enumerate(batches)]

    def _triplets(self) -> int:
        return self.config.training.epochs * self.data.steps * self.config.training.batch_size


def measure_loop(results: Results, settings: TrainingSettings, dataset: PreparedDataset) -> None:
    """Time both loops in turn, ours with the board that a run's workers write to, and compare their losses."""
    config = sized(settings, epochs=settings.epochs, batch_size=settings.batch_size)
    data, vocabulary = open_data(config, dataset)
    with closing(data.pixels), watched(lambda _: None, lambda _: None, lambda _: None) as board:
        loops = Loops(config, data, vocabulary, Writer(board, 1))
        batches = loops.in_memory()
        work = {"bare": lambda turn: loops.bare(batches), "ours": lambda turn: loops.ours()}
        # The first round warms up.
        rounds = {name: each[1:] for name, each in in_turn(work, settings.rounds + 1).items()}
    ours, bare = rounds["ours"], rounds["bare"]
    rates = {name: [each.rate for each in found] for name, found in rounds.items()}
    ratio = median_ratio(rates["ours"], rates["bare"])
    results.add(
        Measurement("bare loop, batches in memory", median(rates["bare"]), "triplets/s", note="one worker, as ours"),
        Measurement("our loop, pixels from the cache", median(rates["ours"]), "triplets/s"),
        Measurement.at_least("our loop / bare loop", ratio, "ratio", 0.97, judged=settings.judged),
        Measurement("our loop, waiting for batches", median(each.waiting for each in ours), "ratio"),
        Measurement.at_most("mean losses, difference", difference(ours[0], bare[0]), "ratio", ALIKE),
    )


def difference(one: Round, other: Round) -> float:
    """Return by how much the losses of two rounds differ at most, as a share of one of them."""
    return max(abs(own - its) / abs(its) for own, its in zip(one.losses, other.losses, strict=True))


def sized(settings: TrainingSettings, **training: int) -> RunConfig:
    """Return the recipe with the benchmark's seed, and settings of its training."""
    chosen = [f"training.{name}={value}" for name, value in training.items()]
    return override(recipes[RECIPE](), [f"seed={settings.seed}", *chosen])


def open_data(config: RunConfig, dataset: PreparedDataset) -> tuple[TrainingData, Vocabulary]:
    """Return what a run's batches are cut from, its pixels in the cache, and its vocabulary."""
    sampler = make_sampler(config, dataset)
    vocabulary = Vocabulary.of(sampler.texts(), config.model.tokenizer)
    pixels = open_source(dataset, config.model.preprocessing.size, "cache")
    return TrainingData(config, sampler, vocabulary, pixels), vocabulary
