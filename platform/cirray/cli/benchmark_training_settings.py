"""How much the benchmark of training measures."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cirray.config import Config

RECIPE = "css-2d/tirg-last-conv"
"""Whose step is taken wherever it is one recipe's."""

DATASET = "css-2d"

Part = Literal["loop", "workers", "composers", "checkpoints", "losses", "gpu"]


class TrainingSettings(Config):
    """How much is measured.

    Attributes:
        parts: of the benchmark that run.
        scenes: base scenes of the world that is trained on; the loop and the workers take all of its triplets.
        batch_size: triplets in a step, wherever nothing else is said.
        epochs: of the loop, in each round.
        rounds: of the loop, after one that warms up; the median of the ratios counts.
        runs: of each number of workers.
        run_epochs: of each of these, the first of which is not counted.
        methods: shell patterns of the composers, with commas between them.
        composer_steps: of each composer, after one that warms up.
        saving_resnet: depth of the ResNet with which checkpoints are written; 0 for the recipe's small encoder.
        saving_batch: triplets in a step, there.
        saving_steps: in each round, there.
        saving_every: steps from one checkpoint to the next.
        saving_rounds: after one that warms up.
        loss_batch: rows of the losses' batch, over both workers together.
        loss_dim: size of their vectors.
        loss_turns: that are timed, after some that warm up.
        gpu_batch: triplets in a step on the GPU, with a ResNet-18.
        gpu_side: height and width of the pictures there.
        gpu_steps: that are timed there, after some in which code is compiled.
        gpu_rounds: likewise.
        seed: of weights and batches.
        judged: whether the goals of speed are judged; with few steps, chance decides.
    """

    parts: tuple[Part, ...] = ("loop", "workers", "composers", "checkpoints", "losses", "gpu")
    scenes: int = Field(300, ge=20)
    batch_size: int = Field(256, ge=2)
    epochs: int = Field(2, ge=1)
    rounds: int = Field(8, ge=1)
    runs: int = Field(3, ge=1)
    run_epochs: int = Field(5, ge=2)
    methods: str = "*"
    composer_steps: int = Field(5, ge=1)
    saving_resnet: int = 18
    saving_batch: int = Field(32, ge=2)
    saving_steps: int = Field(60, ge=1)
    saving_every: int = Field(10, ge=1)
    saving_rounds: int = Field(3, ge=1)
    loss_batch: int = Field(256, ge=4, multiple_of=2)
    loss_dim: int = Field(512, ge=1)
    loss_turns: int = Field(60, ge=1)
    gpu_batch: int = Field(256, ge=2)
    gpu_side: int = Field(224, ge=32)
    gpu_steps: int = Field(30, ge=1)
    gpu_rounds: int = Field(3, ge=1)
    seed: int = 0
    judged: bool = True


QUICK = TrainingSettings(
    scenes=40,
    batch_size=64,
    epochs=1,
    rounds=3,
    runs=1,
    run_epochs=2,
    methods="image-only,tirg-last-conv",
    composer_steps=2,
    saving_resnet=0,
    saving_steps=10,
    saving_every=3,
    saving_rounds=1,
    loss_turns=10,
    gpu_steps=5,
    gpu_rounds=1,
    judged=False,
)
