"""Recipes for CSS in two dimensions, one for every method, sized for minutes on two CPU cores."""

from __future__ import annotations

from functools import partial

from cirray.batches import SameReferenceConfig
from cirray.composers import ModelConfig
from cirray.encoders import Preprocessing
from cirray.encoders.images.small_cnn import SmallCnnConfig
from cirray.recipes.run import RunConfig, TrainingConfig, recipes
from cirray.recipes.small_methods import SMALL_METHODS

EPOCHS = 6


def css_2d(method: str) -> RunConfig:
    """Return the run of a method on CSS-2D.

    TIRG's own setting for CSS takes a GPU: ResNet-17 (in the code ResNet-18), 512 dimensions, soft triplet, SGD with
    weight decay 1e-6, 150,000 steps (in the code 160,000). Here the pictures have 64×64 pixels and two dimensions,
    the network is small and its vectors have 128 dimensions, and batch classification and AdamW (weight decay
    1e-4, 5 % warm-up, gradients clipped to norm 1.0) learn in few epochs, each of which takes every triplet once
    where the code draws with replacement. Other copies of a query's target in its batch count as negatives.
    TIRG's way of drawing two queries for each reference is kept. docs/methods.md compares them line by line.
    """
    chosen = SMALL_METHODS[method]
    return RunConfig(
        name=f"css-2d/{method}",
        dataset="css-2d",
        model=ModelConfig(
            preprocessing=Preprocessing(height=64, width=64),
            tokenizer=chosen.tokenizer,
            image_encoder=SmallCnnConfig(widths=(32, 32, 32), strides=(4, 2, 2)),
            text_encoder=chosen.text_encoder,
            composer=chosen.composer,
        ),
        objective=dict(chosen.objective),
        training=TrainingConfig(
            epochs=EPOCHS if chosen.learns else 1,
            batch_size=256,
            sampler=SameReferenceConfig(texts_per_source=2),
            learning_rate=5e-3,
        ),
    )


for _method in SMALL_METHODS:
    recipes.register(f"css-2d/{_method}")(partial(css_2d, _method))
