"""Every method at the size of a small world: vectors of 128 dimensions on a small image encoder.

The composers and objectives are the papers' own, with their weights, margins and scales; what is smaller is only
their width. SAC's paper does not say how many negatives it draws: here there are many, and near ones, because one of
each kind teaches too little in so few steps (docs/methods/sac.md). So one encoder and one budget show what the
methods do, on two CPU cores. Where a method asks for a text encoder of its own kind, it has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cirray.composers import ComposerConfig
from cirray.composers.attribute_as_operator import AttributeAsOperatorConfig
from cirray.composers.combiner import CombinerConfig
from cirray.composers.compose_ae import ComposeAeConfig
from cirray.composers.concat import ConcatConfig
from cirray.composers.curling_net import CurlingNetConfig
from cirray.composers.film import FilmConfig
from cirray.composers.image_only import ImageOnlyConfig
from cirray.composers.joint import JointConfig
from cirray.composers.jvsm import JvsmConfig
from cirray.composers.mrn import MrnConfig
from cirray.composers.parameter_hashing import ParameterHashingConfig
from cirray.composers.relationship import RelationshipConfig
from cirray.composers.rtic import RticConfig
from cirray.composers.sac import SacConfig
from cirray.composers.show_and_tell import ShowAndTellConfig
from cirray.composers.text_only import TextOnlyConfig
from cirray.composers.tirg_last_conv import TirgLastConvConfig
from cirray.composers.tirg_last_fc import TirgLastFcConfig
from cirray.composers.val import ValConfig
from cirray.config import Choice
from cirray.encoders.texts.lstm import LstmConfig
from cirray.encoders.texts.mean_words import MeanWordsConfig
from cirray.encoders.words.random_vectors import RandomWordsConfig
from cirray.objectives import LossConfig
from cirray.objectives.additive_margin import AdditiveMarginConfig
from cirray.objectives.batch_classification import BatchClassificationConfig
from cirray.objectives.bidirectional_hinge import BidirectionalHingeConfig
from cirray.objectives.image_reconstruction import ImageReconstructionConfig
from cirray.objectives.joint import JointLossConfig
from cirray.objectives.jvsm_compositional import JvsmCompositionalConfig
from cirray.objectives.rotational_symmetry import RotationalSymmetryConfig
from cirray.objectives.sac_consistency import SacConsistencyConfig
from cirray.objectives.sac_discriminator import SacDiscriminatorConfig
from cirray.objectives.sac_triplet import SacTripletConfig
from cirray.objectives.text_reconstruction import TextReconstructionConfig

DIM = 128
TEXT_DIM = 32
TEXT_ENCODER = LstmConfig(word_dim=TEXT_DIM, dim=TEXT_DIM)

CLASSIFICATION: Mapping[str, LossConfig] = {"retrieval": BatchClassificationConfig()}


@dataclass(frozen=True)
class SmallMethod:
    """What a method brings to a recipe.

    Attributes:
        composer: its settings.
        objective: the paper's losses.
        text_encoder: that the method asks for, or else TIRG's, small.
        tokenizer: likewise.
        learns: whether it composes at all; the two that do not are done after one epoch.
    """

    composer: ComposerConfig
    objective: Mapping[str, LossConfig] = field(default_factory=lambda: CLASSIFICATION)
    text_encoder: Choice = TEXT_ENCODER
    tokenizer: str = "tirg"
    learns: bool = True


_OPERATOR_DIM = 32
"""Each text of Attribute as Operator has a matrix of the square of this."""

_RELATIONSHIP = RelationshipConfig(dim=DIM, hidden=64)

SMALL_METHODS: dict[str, SmallMethod] = {
    "image-only": SmallMethod(ImageOnlyConfig(dim=DIM), learns=False),
    "text-only": SmallMethod(TextOnlyConfig(dim=DIM), learns=False),
    "concat": SmallMethod(ConcatConfig(dim=DIM)),
    # Its picture is read as a word, and would lose most of itself in one of the others' 32 dimensions.
    "show-and-tell": SmallMethod(
        ShowAndTellConfig(dim=DIM, hidden=2 * DIM), text_encoder=MeanWordsConfig(word_dim=DIM)
    ),
    "attribute-as-operator": SmallMethod(
        AttributeAsOperatorConfig(dim=_OPERATOR_DIM),
        text_encoder=MeanWordsConfig(word_dim=_OPERATOR_DIM**2, words=RandomWordsConfig(std=0.0)),
        tokenizer="whole",
    ),
    "parameter-hashing": SmallMethod(ParameterHashingConfig(dim=DIM, candidates=1024)),
    "relationship": SmallMethod(_RELATIONSHIP),
    "film": SmallMethod(FilmConfig(dim=DIM)),
    "mrn": SmallMethod(MrnConfig(dim=DIM)),
    "tirg-last-fc": SmallMethod(TirgLastFcConfig(dim=DIM)),
    "tirg-last-conv": SmallMethod(TirgLastConvConfig(dim=DIM)),
    "compose-ae": SmallMethod(
        ComposeAeConfig(dim=DIM),
        {
            **CLASSIFICATION,
            "image_reconstruction": ImageReconstructionConfig(weight=0.1),
            "text_reconstruction": TextReconstructionConfig(weight=0.1),
            "symmetry": RotationalSymmetryConfig(weight=0.01),
        },
    ),
    "curling-net": SmallMethod(CurlingNetConfig(dim=DIM), {"retrieval": AdditiveMarginConfig()}),
    "rtic": SmallMethod(RticConfig(dim=DIM)),
    "val": SmallMethod(ValConfig(text_dim=TEXT_DIM), {"retrieval": BidirectionalHingeConfig()}),
    "jvsm": SmallMethod(JvsmConfig(dim=DIM), {"retrieval": JvsmCompositionalConfig()}),
    "sac": SmallMethod(
        SacConfig(dim=DIM),
        {
            "retrieval": SacTripletConfig(random_negatives=16, weighted_negatives=16, temperature=0.2),
            "discriminator": SacDiscriminatorConfig(weight=0.6),
            "consistency": SacConsistencyConfig(weight=0.1),
        },
    ),
    "tirg-in-joint": SmallMethod(
        JointConfig(dim=DIM, inner=TirgLastConvConfig(dim=DIM)), {"retrieval": JointLossConfig()}
    ),
    "relationship-in-joint": SmallMethod(JointConfig(dim=DIM, inner=_RELATIONSHIP), {"retrieval": JointLossConfig()}),
    "combiner": SmallMethod(
        CombinerConfig(dim=DIM, projection_dim=2 * DIM, hidden_dim=4 * DIM),
        {"retrieval": BatchClassificationConfig(scale=10.0, learn_scale=False)},
    ),
}
"""By the names that recipes have for them."""
