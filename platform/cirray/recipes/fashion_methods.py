"""The runs of RTIC, CurlingNet, SAC, JVSM and CLIP4Cir's Combiner, each with its own paper's setting.

What our settings cannot say is left out: RTIC's affine augmentation, SAC's halving on a plateau (here every ten
epochs, our own choice, as are its sizes of pictures and its number of epochs), CLIP4Cir's first stage, which
fine-tunes CLIP. JVSM's encoders, optimiser and length are inferred from VAL, by the same author. A crop of 224 from
256 pixels is cut from pictures of 224 and scaled back to them: the same part of the picture, a little less sharp.

Files that a run should be given: ImageNet weights for CurlingNet and CLIP's for both of the Combiner's towers
(model.image_encoder.weights, model.text_encoder.weights; without them they start at random), RTIC's four files of
GloVe (model.text_encoder.words).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from cirray.batches import (
    CaptionPairsConfig,
    HorizontalFlipConfig,
    ResizedCropConfig,
    ShuffleConfig,
)
from cirray.composers import ModelConfig
from cirray.composers.combiner import CombinerConfig
from cirray.composers.curling_net import CurlingNetConfig
from cirray.composers.jvsm import JvsmConfig
from cirray.composers.rtic import RticConfig
from cirray.composers.sac import SacConfig
from cirray.config import Choice
from cirray.encoders import Preprocessing
from cirray.encoders.images.mobilenet import MobileNetConfig
from cirray.encoders.images.open_clip_model import PIXEL_MEAN, PIXEL_STD, OpenClipModelConfig
from cirray.encoders.images.resnet import ResNetConfig
from cirray.encoders.images.timm_model import TimmModelConfig
from cirray.encoders.texts.bigru import CurlingNetTextConfig
from cirray.encoders.texts.gru import GruConfig
from cirray.encoders.texts.max_pooled import LstmGruMaxConfig, LstmMaxConfig
from cirray.encoders.texts.open_clip_text import OpenClipTextConfig
from cirray.objectives import LossConfig
from cirray.objectives.additive_margin import AdditiveMarginConfig
from cirray.objectives.batch_classification import BatchClassificationConfig
from cirray.objectives.batch_hard import BatchHardConfig
from cirray.objectives.jvsm_compositional import JvsmCompositionalConfig
from cirray.objectives.sac_consistency import SacConsistencyConfig
from cirray.objectives.sac_discriminator import SacDiscriminatorConfig
from cirray.objectives.sac_triplet import SacTripletConfig
from cirray.recipes.run import RunConfig, recipes
from cirray.recipes.setting import epochs_of, paper_training
from cirray.recipes.val import VAL_TEXT, WEIGHT_DECAY

_CROP_224_OF_256 = ResizedCropConfig(scale=(0.766, 0.766), ratio=(1.0, 1.0))


def _rtic(
    name: str, depth: Literal[50, 152], text_encoder: Choice, composer: RticConfig, loss: LossConfig, **training: Any
) -> RunConfig:
    """Return what RTIC's two environments share, with what is each one's own.

    Args:
        name: of the recipe.
        depth: of the ResNet.
        text_encoder: with its sizes.
        composer: likewise.
        loss: of retrieval.
        training: settings besides those that both have.
    """
    return RunConfig(
        name=name,
        dataset="fashioniq",
        model=ModelConfig(
            preprocessing=Preprocessing(fit="pad"),
            tokenizer="rtic",
            on_unknown="keep",
            image_encoder=ResNetConfig(depth=depth, weights="torchvision"),
            text_encoder=text_encoder,
            composer=composer,
        ),
        objective={"retrieval": loss},
        training=paper_training(epochs=100, joiner=" [SEP] ", weight_decay=1e-6, **training),
    )


@recipes.register("fashioniq/rtic")
def rtic() -> RunConfig:
    """Return RTIC's run in its unified environment."""
    return _rtic(
        "fashioniq/rtic",
        50,
        LstmMaxConfig(word_dim=1100, state_dim=1024, dim=1024),
        RticConfig(),
        BatchClassificationConfig(direction="to-queries"),
        batch_size=32,
        augmentations=(_CROP_224_OF_256, HorizontalFlipConfig()),
        optimizer="sgd",
        learning_rate=0.01,
        image_encoder_rate=0.1,
        schedule="step",
        decay=0.7071,
        decay_every=10.0,
    )


@recipes.register("fashioniq/rtic-optimal")
def rtic_optimal() -> RunConfig:
    """Return RTIC's run in its optimal environment, of which the published figures are.

    How many epochs it takes and its weight decay are not known to us: here those of the unified environment.
    """
    return _rtic(
        "fashioniq/rtic-optimal",
        152,
        LstmGruMaxConfig(word_dim=1100, state_dim=1024, dim=2048),
        RticConfig(dim=2048, blocks=1),
        BatchHardConfig(),
        batch_size=24,
        augmentations=(HorizontalFlipConfig(),),
        optimizer="adamw",
        learning_rate=1.421e-4,
        image_encoder_rate=0.652,
        betas=(0.624, 0.998),
        schedule="cosine",
        warmup=0.15,
    )


@recipes.register("fashioniq/curling-net")
def curling_net() -> RunConfig:
    """Return CurlingNet's run, without its attribute experts."""
    return RunConfig(
        name="fashioniq/curling-net",
        dataset="fashioniq",
        model=ModelConfig(
            preprocessing=Preprocessing(),
            tokenizer="curlingnet",
            image_encoder=TimmModelConfig(model="densenet169"),
            text_encoder=CurlingNetTextConfig(),
            composer=CurlingNetConfig(),
        ),
        objective={"retrieval": AdditiveMarginConfig(margin=0.3)},
        training=paper_training(
            epochs=100,
            batch_size=16,
            joiner=" <and> ",
            augmentations=(_CROP_224_OF_256, HorizontalFlipConfig()),
            optimizer="adam",
            amsgrad=True,
            learning_rate=1e-4,
            schedule="step",
            decay=0.95,
            decay_every=1.0,
        ),
    )


def sac(dataset: str) -> RunConfig:
    """Return SAC's run on one dataset."""
    return RunConfig(
        name=f"{dataset}/sac",
        dataset=dataset,
        model=ModelConfig(
            preprocessing=Preprocessing(),
            image_encoder=ResNetConfig(depth=50, levels=(3, 4), weights="torchvision"),
            text_encoder=GruConfig(),
            composer=SacConfig(),
        ),
        objective={
            "retrieval": SacTripletConfig(),
            "discriminator": SacDiscriminatorConfig(weight=0.6),
            "consistency": SacConsistencyConfig(weight=0.1),
        },
        training=paper_training(
            epochs=60,
            batch_size=32,
            frozen_epochs=10,
            optimizer="adam",
            learning_rate=1e-3,
            schedule="step",
            decay=0.5,
            decay_every=10.0,
        ),
    )


JVSM_STEPS = {"fashion200k": 160_000, "fashioniq": 50_000, "ut-zap50k": 50_000}


def jvsm(dataset: str) -> RunConfig:
    """Return JVSM's run on one dataset."""
    pairs = dataset == "fashion200k"
    return RunConfig(
        name=f"{dataset}/jvsm",
        dataset=dataset,
        model=ModelConfig(
            preprocessing=Preprocessing(),
            image_encoder=MobileNetConfig(version="v2", weights="torchvision"),
            text_encoder=VAL_TEXT,
            composer=JvsmConfig(),
        ),
        objective={"retrieval": JvsmCompositionalConfig()},
        training=paper_training(
            epochs=epochs_of(JVSM_STEPS[dataset], 32, dataset),
            batch_size=32,
            sampler=CaptionPairsConfig() if pairs else ShuffleConfig(),
            augmentations=(HorizontalFlipConfig(),),
            optimizer="adam",
            learning_rate=2e-4,
            weight_decay=WEIGHT_DECAY,
        ),
    )


def combiner(dataset: str) -> RunConfig:
    """Return the second stage of CLIP4Cir on one dataset: both towers of CLIP keep still."""
    return RunConfig(
        name=f"{dataset}/combiner",
        dataset=dataset,
        model=ModelConfig(
            preprocessing=Preprocessing(height=288, width=288, fit="target-pad", mean=PIXEL_MEAN, std=PIXEL_STD),
            tokenizer="open-clip",
            image_encoder=OpenClipModelConfig(trainable=False),
            text_encoder=OpenClipTextConfig(trainable=False),
            composer=CombinerConfig(),
        ),
        objective={"retrieval": BatchClassificationConfig(scale=10.0, learn_scale=False)},
        training=paper_training(
            epochs=300,
            batch_size=4096,
            texts="mixed-anew" if dataset == "fashioniq" else "joined",
            optimizer="adam",
            learning_rate=2e-5,
        ),
    )


for _dataset in ("fashioniq", "shoes", "birds-to-words"):
    recipes.register(f"{_dataset}/sac")(partial(sac, _dataset))
for _dataset in JVSM_STEPS:
    recipes.register(f"{_dataset}/jvsm")(partial(jvsm, _dataset))
for _dataset in ("fashioniq", "cirr"):
    recipes.register(f"{_dataset}/combiner")(partial(combiner, _dataset))
