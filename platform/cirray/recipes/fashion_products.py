"""Recipes for the Fashion Products benchmark, one for every method, sized for minutes on two CPU cores."""

from __future__ import annotations

from functools import partial

from cirray.batches import AttributePairsConfig, HorizontalFlipConfig
from cirray.composers import ModelConfig
from cirray.encoders import Preprocessing
from cirray.encoders.images.small_cnn import SmallCnnConfig
from cirray.recipes.run import RunConfig, TrainingConfig, recipes
from cirray.recipes.small_methods import SMALL_METHODS

EPOCHS = 8


def fashion_products(method: str) -> RunConfig:
    """Return the run of a method on Fashion Products, prepared with docs/examples/fashion_products.yaml.

    The photographs have 60×80 pixels. As on Fashion200k each epoch pairs every item anew with one that differs in
    one attribute, here the colour or the type; gallery and queries are the benchmark's.
    """
    chosen = SMALL_METHODS[method]
    return RunConfig(
        name=f"fashion-products/{method}",
        dataset="fashion-products",
        model=ModelConfig(
            preprocessing=Preprocessing(height=80, width=60),
            tokenizer=chosen.tokenizer,
            image_encoder=SmallCnnConfig(widths=(32, 64, 128), strides=(4, 2, 2)),
            text_encoder=chosen.text_encoder,
            composer=chosen.composer,
        ),
        objective=dict(chosen.objective),
        training=TrainingConfig(
            epochs=EPOCHS if chosen.learns else 1,
            batch_size=128,
            sampler=AttributePairsConfig(),
            augmentations=(HorizontalFlipConfig(),),
            learning_rate=2e-3,
        ),
    )


for _method in SMALL_METHODS:
    recipes.register(f"fashion-products/{_method}")(partial(fashion_products, _method))
