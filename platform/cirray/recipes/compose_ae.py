"""The runs of ComposeAE (WACV 2021): Fashion200k, MIT-States and FashionIQ.

TIRG's training with weight decay 5e-5, and the sentence vectors of a frozen encoder. The code takes BERT-base from
a service that nobody keeps any more; here MiniLM stands in, whose weights come with the extra `sentence`. On
FashionIQ the code decays at 8,000 of 100,000 steps, and joins two captions by " and it "; that it puts the category
in front of them is left out. On Fashion200k and MIT-States the query is the modification, where the code takes the
target's whole caption if asked.
"""

from __future__ import annotations

from functools import partial

from cirray.batches import CaptionPairsConfig, SameReferenceConfig, ShuffleConfig
from cirray.composers import ModelConfig
from cirray.composers.compose_ae import ComposeAeConfig
from cirray.config import Choice
from cirray.encoders import Preprocessing
from cirray.encoders.images.resnet import ResNetConfig
from cirray.encoders.texts.sentence import SentenceConfig
from cirray.objectives import LossConfig
from cirray.objectives.batch_classification import BatchClassificationConfig
from cirray.objectives.image_reconstruction import ImageReconstructionConfig
from cirray.objectives.rotational_symmetry import RotationalSymmetryConfig
from cirray.objectives.soft_triplet import SoftTripletConfig
from cirray.objectives.text_reconstruction import TextReconstructionConfig
from cirray.recipes.run import RunConfig, recipes
from cirray.recipes.tirg import DECAY_STEPS, JOINER, STEPS, tirg_training

_SAMPLERS: dict[str, Choice] = {
    "fashion200k": CaptionPairsConfig(),
    "mit-states": SameReferenceConfig(texts_per_source=2),
    "fashioniq": ShuffleConfig(),
}


def compose_ae_run(dataset: str) -> RunConfig:
    """Return the run on one dataset."""
    base: LossConfig = SoftTripletConfig() if dataset == "mit-states" else BatchClassificationConfig()
    on_fashioniq = dataset == "fashioniq"
    return RunConfig(
        name=f"{dataset}/compose-ae",
        dataset=dataset,
        model=ModelConfig(
            preprocessing=Preprocessing(fit="crop"),
            tokenizer="minilm",
            image_encoder=ResNetConfig(depth=18, weights="torchvision"),
            text_encoder=SentenceConfig(),
            composer=ComposeAeConfig(),
        ),
        objective={
            "retrieval": base,
            "image_reconstruction": ImageReconstructionConfig(weight=0.1),
            "text_reconstruction": TextReconstructionConfig(weight=0.1),
            "symmetry": RotationalSymmetryConfig(weight=0.01, base=base),
        },
        training=tirg_training(
            dataset,
            sampler=_SAMPLERS[dataset],
            weight_decay=5e-5,
            steps=100_000 if on_fashioniq else STEPS,
            decay_steps=8_000 if on_fashioniq else DECAY_STEPS,
            joiner=" and it " if on_fashioniq else JOINER,
        ),
    )


for _dataset in _SAMPLERS:
    recipes.register(f"{_dataset}/compose-ae")(partial(compose_ae_run, _dataset))
