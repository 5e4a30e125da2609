"""The runs of "Using Text to Teach Image Retrieval": TIRG and Relationship in Joint, on CSS, CCI and FashionIQ.

SGD at a constant 0.01 for 200,000 steps of 50, ResNet-18, from scratch but for TIRG on CSS. The loss there is a sum
over the batch, here a mean: its weight of 50 gives the same steps. The paper does not name momentum, sizes of
pictures or which form of TIRG it takes: momentum 0.9, 224 pixels (180×120 for the rendered worlds) and the form are
those of TIRG's code for such data. Descriptions are the items' captions (CSS, CCI) or tags (FashionIQ); the paper
leaves out pairs without tags on both sides, here only their terms are left out.
"""

from __future__ import annotations

from functools import partial

from cirray.composers import ComposerConfig, ModelConfig
from cirray.composers.joint import JointConfig
from cirray.composers.relationship import RelationshipConfig
from cirray.composers.tirg_last_conv import TirgLastConvConfig
from cirray.composers.tirg_last_fc import TirgLastFcConfig
from cirray.encoders import Preprocessing
from cirray.encoders.images.resnet import ResNetConfig
from cirray.encoders.texts.lstm import LstmConfig
from cirray.objectives.joint import JointLossConfig
from cirray.recipes.run import RunConfig, recipes
from cirray.recipes.setting import epochs_of, paper_training

STEPS, BATCH = 200_000, 50
DATASETS = ("css-3d", "cci", "fashioniq")


def joint_run(dataset: str, method: str) -> RunConfig:
    """Return the run of "tirg-in-joint" or "relationship-in-joint" on one dataset."""
    inner: ComposerConfig = RelationshipConfig()
    if method == "tirg-in-joint":
        inner = TirgLastConvConfig() if dataset == "css-3d" else TirgLastFcConfig()
    pretrained = dataset == "css-3d" and method == "tirg-in-joint"
    height, width = (224, 224) if dataset == "fashioniq" else (120, 180)
    return RunConfig(
        name=f"{dataset}/{method}",
        dataset=dataset,
        model=ModelConfig(
            preprocessing=Preprocessing(height=height, width=width, fit="crop"),
            image_encoder=ResNetConfig(depth=18, weights="torchvision" if pretrained else "none"),
            text_encoder=LstmConfig(),
            composer=JointConfig(inner=inner),
        ),
        objective={"joint": JointLossConfig(weight=float(BATCH))},
        training=paper_training(
            epochs=epochs_of(STEPS, BATCH, dataset),
            batch_size=BATCH,
            optimizer="sgd",
            learning_rate=0.01,
        ),
    )


for _dataset in DATASETS:
    for _method in ("tirg-in-joint", "relationship-in-joint"):
        recipes.register(f"{_dataset}/{_method}")(partial(joint_run, _dataset, _method))
