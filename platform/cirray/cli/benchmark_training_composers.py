"""How fast each composer trains and how much memory that takes, in a process of its own."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median

import torch

from cirray.cli.benchmark import Measurement, Results
from cirray.cli.benchmark_composers import WORDS, ComposersSettings, draw_batch, sized_recipe
from cirray.cli.benchmark_training_settings import DATASET, TrainingSettings
from cirray.cli.memory import PeakMemory
from cirray.cli.methods import methods_of
from cirray.encoders import Vocabulary
from cirray.training.stepping import Stepper
from cirray.training.trainee import Trainee
from cirray.training.world import World


@dataclass(frozen=True)
class Cost:
    """What the steps of one composer take.

    Attributes:
        triplets_per_s: at the median step: forward, backward and optimiser.
        before_mib: memory of the process before there was a model.
        peak_mib: memory of the process at its most.
    """

    triplets_per_s: float
    before_mib: float
    peak_mib: float


def measure_composers(results: Results, settings: TrainingSettings) -> None:
    """Measure each composer that is asked for, one after another.

    Raises:
        UnknownNameError: a pattern matches no method.
    """
    sizes = ComposersSettings(
        dataset=DATASET, resnet=0, batch_size=settings.batch_size, repeats=settings.composer_steps, seed=settings.seed
    )
    for method in methods_of(DATASET, settings.methods):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
            cost = alone.submit(composer_cost, method, sizes).result()
        note = f"{cost.before_mib:,.0f} MiB of it before there is a model"
        results.add(
            Measurement(f"{method}: step", cost.triplets_per_s, "triplets/s", note="with optimiser, batch in memory"),
            Measurement(f"{method}: peak memory", cost.peak_mib, "MiB", note=note),
        )


def composer_cost(method: str, settings: ComposersSettings) -> Cost:
    """Return what steps of a method on a random batch take in this process."""
    config, steps = sized_recipe(f"{settings.dataset}/{method}", settings), settings.repeats + 1
    training = config.training.model_copy(update={"batch_size": settings.batch_size})
    config = config.model_copy(update={"training": training, "seed": settings.seed})
    with PeakMemory() as before:
        batch = draw_batch(config, settings)
    with PeakMemory() as memory:
        vocabulary = Vocabulary(tokenizer=config.model.tokenizer, words=WORDS)
        trainee = Trainee.build(config, vocabulary, steps, torch.device("cpu"))
        stepper = Stepper(config, trainee, trainee.step.train(), World())
        seconds = []
        for step in range(steps):
            started = time.perf_counter()
            stepper.take(batch, 0, step)
            seconds.append(time.perf_counter() - started)
    # The first step warms up.
    return Cost(settings.batch_size / median(seconds[1:]), before.peak_mib, memory.peak_mib)
