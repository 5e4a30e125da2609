"""A run so small that a step takes milliseconds."""

from __future__ import annotations

from cirray.config import override
from cirray.recipes import RunConfig, recipes

_SMALL_MODEL = (
    "model.preprocessing.height=16",
    "model.preprocessing.width=16",
    "model.image_encoder.widths=[4, 6]",
    "model.image_encoder.strides=[2, 2]",
    "model.text_encoder.word_dim=4",
    "model.text_encoder.dim=4",
    "model.composer.dim=8",
    "training.batch_size=16",
)


def small_run(*assignments: str, recipe: str = "css-2d/tirg-last-conv") -> RunConfig:
    """Return a recipe's run at this size, with `assignments` as `--set` takes them."""
    return override(recipes[recipe](), [*_SMALL_MODEL, *assignments])
