"""What recipes after papers share: what is off, sizes of the published training sets, and lengths given in steps."""

from __future__ import annotations

from typing import Any

from cirray.recipes.run import TrainingConfig

EXAMPLES = {
    "birds-to-words": 12_770,
    "cci": 1_110,
    "css-2d-to-3d": 18_012,
    "css-3d": 18_012,
    "fashion200k": 172_049,
    "fashioniq": 18_000,
    "mit-states": 43_207,
    "mit-states-compositions": 34_562,
    "shoes": 8_990,
    "ut-zap50k": 50_025,
}
"""Training examples of an epoch: triplets, or pictures where pairs are drawn for each of them."""


def paper_training(**settings: Any) -> TrainingConfig:
    """Return the training of a paper: what `settings` leave open of decay, schedule, warm-up and clipping is off.

    Raises:
        ValidationError: a setting is none of training's, or its value is not allowed.
    """
    off = {"weight_decay": 0.0, "schedule": "constant", "warmup": 0.0, "gradient_clip": None}
    return TrainingConfig(**{**off, **settings})


def epochs_of(steps: int, batch_size: int, dataset: str, texts_each: int = 1) -> int:
    """Return the whole epochs, at least one, that come nearest to a number of steps.

    Args:
        steps: as the paper or its code has them.
        batch_size: triplets in a step.
        dataset: by its reader's name.
        texts_each: examples that each triplet gives, where every text is an example of its own.
    """
    return max(1, round(steps * batch_size / (EXAMPLES[dataset] * texts_each)))
