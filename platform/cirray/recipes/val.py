"""The runs of VAL, "Image Search with Text Feedback by Visiolinguistic Attention Learning" (CVPR 2020).

Adam at a constant 2e-4 with batches of 32, LSTM 1024 pooled over time, each caption of FashionIQ a query of its
own, the bidirectional hinge with margin 0.2 at every level. On Shoes and FashionIQ the losses of descriptions
(L_vs) come first, on Fashion200k beside the others; how long they come first is our own choice, an eighth of the
epochs, and on FashionIQ they take its own tags, where the paper takes Fashion200k's captions. Word vectors are
random (the paper's first rows), spread as in the code; for GloVe set model.text_encoder.words. The weight decay of
4e-5 is the code's. The moving average of the weights, by which the code tests, and its rare words, unknown in tests,
are left out. MobileNet v1 is not in torchvision: v2
stands in, at the blocks of the same sizes.
"""

from __future__ import annotations

from functools import partial

from cirray.batches import CaptionPairsConfig, HorizontalFlipConfig, ResizedCropConfig, ShuffleConfig
from cirray.composers import ComposerConfig, ModelConfig
from cirray.composers.film import FilmConfig
from cirray.composers.mrn import MrnConfig
from cirray.composers.relationship import RelationshipConfig
from cirray.composers.tirg_last_fc import TirgLastFcConfig
from cirray.composers.val import ValConfig
from cirray.config import Choice
from cirray.encoders import Preprocessing
from cirray.encoders.images.mobilenet import VAL_LEVELS, MobileNetConfig
from cirray.encoders.images.resnet import ResNetConfig
from cirray.encoders.texts.max_pooled import LstmMaxConfig
from cirray.encoders.words.random_vectors import RandomWordsConfig
from cirray.objectives import LossConfig
from cirray.objectives.bidirectional_hinge import BidirectionalHingeConfig
from cirray.objectives.vse import VseConfig
from cirray.recipes.run import RunConfig, recipes
from cirray.recipes.setting import epochs_of, paper_training

STEPS = {"fashion200k": 160_000, "fashioniq": 50_000, "shoes": 30_000}
BATCH = 32
WEIGHT_DECAY = 4e-5
VAL_TEXT = LstmMaxConfig(word_dim=512, state_dim=1024, dim=512, dropout=0.1, words=RandomWordsConfig(spread="xavier"))
_PRETRAINED = 8

_OTHERS: tuple[ComposerConfig, ...] = (RelationshipConfig(pooling="sum"), FilmConfig(width=128), MrnConfig())
REPORTED: dict[str, tuple[ComposerConfig, ...]] = {
    "fashion200k": (ValConfig(), MrnConfig()),
    "fashioniq": (ValConfig(), TirgLastFcConfig(), *_OTHERS),
    "shoes": (ValConfig(), TirgLastFcConfig(), *_OTHERS),
}
"""Composers of the paper's tables, by dataset; those of Fashion200k but for these two are quoted from TIRG's."""


def val_run(dataset: str, composer: ComposerConfig) -> RunConfig:
    """Return the run of one composer on one dataset."""
    is_catalogue = dataset == "fashion200k"
    texts_each = 2 if dataset == "fashioniq" else 1
    epochs = epochs_of(STEPS[dataset], BATCH, dataset, texts_each)
    size = 224 if is_catalogue else 256
    crop = (ResizedCropConfig(scale=(0.836, 1.0), ratio=(1.0, 1.0)),) if dataset == "fashioniq" else ()
    return RunConfig(
        name=f"{dataset}/{composer.name}",
        dataset=dataset,
        model=ModelConfig(
            preprocessing=Preprocessing(height=size, width=size),
            tokenizer="tirg" if is_catalogue else "val",
            image_encoder=_image_encoder(dataset),
            text_encoder=VAL_TEXT,
            composer=composer,
        ),
        objective=_objective(dataset, composer, epochs),
        training=paper_training(
            epochs=epochs,
            batch_size=BATCH,
            sampler=CaptionPairsConfig() if is_catalogue else ShuffleConfig(),
            texts="each" if texts_each > 1 else "joined",
            augmentations=(*crop, HorizontalFlipConfig()),
            optimizer="adam",
            learning_rate=2e-4,
            weight_decay=WEIGHT_DECAY,
        ),
    )


def _image_encoder(dataset: str) -> Choice:
    if dataset == "fashion200k":
        return MobileNetConfig(version="v2", levels=VAL_LEVELS, weights="torchvision")
    return ResNetConfig(depth=50, levels=(2, 3, 4), weights="torchvision")


def _objective(dataset: str, composer: ComposerConfig, epochs: int) -> dict[str, LossConfig]:
    if composer.name != "val":
        return {"retrieval": BidirectionalHingeConfig()}
    if dataset == "fashion200k":
        return {"retrieval": BidirectionalHingeConfig(), "descriptions": VseConfig()}
    before = max(1, epochs // _PRETRAINED)
    return {
        "descriptions": VseConfig(last_epoch=before),
        "retrieval": BidirectionalHingeConfig(first_epoch=before + 1),
    }


for _dataset, _composers in REPORTED.items():
    for _composer in _composers:
        if f"{_dataset}/{_composer.name}" not in recipes:
            recipes.register(f"{_dataset}/{_composer.name}")(partial(val_run, _dataset, _composer))
