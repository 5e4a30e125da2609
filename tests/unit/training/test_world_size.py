"""The number of workers changes nothing: one, two and four real processes come to the same losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel

from cirray.batches import Items, Pool, samplers
from cirray.datasets import PixelCache
from cirray.encoders import Vocabulary
from cirray.objectives.batch_classification import BatchClassificationConfig
from cirray.objectives.sac_discriminator import SacDiscriminatorConfig
from cirray.objectives.sac_triplet import SacTripletConfig
from cirray.objectives.sampled_classification import SampledClassificationConfig
from cirray.objectives.soft_triplet import SoftTripletConfig
from cirray.objectives.text_reconstruction import TextReconstructionConfig
from cirray.recipes import RunConfig
from cirray.training.data import TrainingData
from cirray.training.loop import fit
from cirray.training.trainee import Trainee
from cirray.training.world import CPU, World
from tests.small_runs import small_run
from tests.workers import run_workers

TRIPLETS, ITEMS, STEPS = 48, 20, 3
WORDS = tuple("abcde")
VOCABULARY = Vocabulary(tokenizer="tirg", words=WORDS)
AUGMENTATIONS = "[{name: random-crop, padding: 2}, {name: horizontal-flip, which: both}, {name: colour-jitter}]"
SETTINGS = (
    "model.text_encoder.dropout=0.3",
    "training.epochs=3",
    "training.optimizer=sgd",
    "training.learning_rate=0.1",
    f"training.augmentations={AUGMENTATIONS}",
)


def tirg(*assignments: str) -> RunConfig:
    """Return a run with dropout, augmentations, batch norm in model and losses, and losses that draw."""
    objective = {
        "retrieval": BatchClassificationConfig(),
        "sampled": SampledClassificationConfig(candidates=4),
        "triplet": SoftTripletConfig(negatives="sampled"),
        "text": TextReconstructionConfig(weight=0.1),
    }
    run = small_run(*SETTINGS, *assignments)
    return run.model_copy(update={"objective": objective})


def sac() -> RunConfig:
    objective = {
        "triplet": SacTripletConfig(),
        "adversarial": SacDiscriminatorConfig(weight=0.6, hidden=(6, 4), learning_rate=0.05, momentum=0.9),
    }
    run = small_run(*SETTINGS, "model.composer={name: sac, dim: 8}")
    return run.model_copy(update={"objective": objective})


def data(run: RunConfig) -> TrainingData:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (ITEMS, 16, 16, 3), dtype=np.uint8)
    pool = Pool(
        items=Items([""] * ITEMS, [""] * ITEMS, [()] * ITEMS, np.arange(ITEMS)),
        references=generator.integers(0, 5, TRIPLETS),
        targets=generator.integers(0, ITEMS, TRIPLETS),
        texts=[(" ".join(generator.choice(WORDS, generator.integers(1, 5))),) for _ in range(TRIPLETS)],
        categories=[""] * TRIPLETS,
    )
    sampler = samplers[run.training.sampler.name](run.training.sampler, pool)
    return TrainingData(run, sampler, VOCABULARY, PixelCache(pixels))


def outcome(run: RunConfig, world: World) -> dict[str, Any]:
    trainee = Trainee.build(run, VOCABULARY, STEPS, CPU)
    module = DistributedDataParallel(trainee.step) if world.size > 1 else trainee.step
    history = fit(run, data(run), trainee, module=module, world=world).history
    losses = {name: [report.losses[name] for report in history] for name in history[0].losses}
    norms = [report.gradient_norm for report in history]
    statistics = {name: value for name, value in trainee.step.model.named_buffers() if value.is_floating_point()}
    return {"losses": losses, "norms": norms, "statistics": statistics}


def parts() -> RunConfig:
    return tirg("training.micro_batch=2", "training.batch_statistics=frozen")


RUNS = {"batch norm, dropout and drawn negatives": tirg, "discriminator": sac, "micro-batches": parts}


def outcomes(world: World) -> dict[str, Any]:
    return {name: outcome(run(), world) for name, run in RUNS.items()}


def test_one_two_and_four_workers_come_to_the_same_losses(tmp_path: Path) -> None:
    alone = outcomes(World())
    for found in run_workers(outcomes, tmp_path, sizes=(2, 4)).values():
        for name in RUNS:
            assert all(each[name]["losses"] == found[0][name]["losses"] for each in found), "each reports for all"
        torch.testing.assert_close(found[0], alone, rtol=2e-4, atol=2e-5)


def test_the_draws_matter_so_that_equal_losses_say_something() -> None:
    losses = outcome(tirg(), World())["losses"]
    for other in ("model.text_encoder.dropout=0.0", "training.augmentations=[]", "training.batch_statistics=frozen"):
        found = outcome(tirg(other), World())["losses"]
        assert abs(found["total"][-1] - losses["total"][-1]) > 1e-3


def test_an_undivided_batch_and_one_in_parts_come_to_the_same_losses() -> None:
    whole = outcome(tirg("training.batch_statistics=frozen"), World())
    torch.testing.assert_close(outcome(parts(), World()), whole, rtol=2e-4, atol=2e-5)
