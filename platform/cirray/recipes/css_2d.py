"""Recipes for CSS in two dimensions, sized for minutes on two CPU cores."""

from __future__ import annotations

from cirray.batches import SameReferenceConfig
from cirray.composers import ComposerConfig, ModelConfig
from cirray.composers.image_only import ImageOnlyConfig
from cirray.composers.text_only import TextOnlyConfig
from cirray.composers.tirg_last_conv import TirgLastConvConfig
from cirray.encoders import Preprocessing
from cirray.encoders.images.small_cnn import SmallCnnConfig
from cirray.encoders.texts.lstm import LstmConfig
from cirray.objectives.batch_classification import BatchClassificationConfig
from cirray.recipes.run import RunConfig, TrainingConfig, recipes

DIM = 128


def _css_2d(composer: ComposerConfig, *, epochs: int) -> RunConfig:
    """Return a run on CSS-2D.

    TIRG's own setting for CSS takes a GPU: ResNet-17 (in the code ResNet-18), 512 dimensions, soft triplet, SGD with
    weight decay 1e-6, 150,000 steps (in the code 160,000). Here the pictures have 64×64 pixels and two dimensions,
    the network is small and its vectors have 128 dimensions, and batch classification and AdamW (weight decay
    1e-4, 5 % warm-up, gradients clipped to norm 1.0) learn in few epochs, each of which takes every triplet once
    where the code draws with replacement. Other copies of a query's target in its batch count as negatives.
    TIRG's way of drawing two queries for each reference is kept. docs/methods.md compares them line by line.
    """
    return RunConfig(
        name=f"css-2d/{composer.name}",
        dataset="css-2d",
        model=ModelConfig(
            preprocessing=Preprocessing(height=64, width=64),
            image_encoder=SmallCnnConfig(widths=(32, 32, 32), strides=(4, 2, 2)),
            text_encoder=LstmConfig(word_dim=32, dim=32),
            composer=composer,
        ),
        objective={"retrieval": BatchClassificationConfig()},
        training=TrainingConfig(
            epochs=epochs, batch_size=256, sampler=SameReferenceConfig(texts_per_source=2), learning_rate=5e-3
        ),
    )


@recipes.register("css-2d/tirg-last-conv")
def tirg_last_conv() -> RunConfig:
    """Return the run of TIRG on the last convolutional map."""
    return _css_2d(TirgLastConvConfig(dim=DIM), epochs=6)


@recipes.register("css-2d/image-only")
def image_only() -> RunConfig:
    """Return the run of the image-only baseline."""
    return _css_2d(ImageOnlyConfig(dim=DIM), epochs=1)


@recipes.register("css-2d/text-only")
def text_only() -> RunConfig:
    """Return the run of the text-only baseline."""
    return _css_2d(TextOnlyConfig(dim=DIM), epochs=1)
