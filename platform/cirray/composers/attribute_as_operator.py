"""Attribute as operator: each text is a matrix that transforms the reference's vector."""

from __future__ import annotations

from math import isqrt
from typing import Literal, cast

import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor, nn

from cirray.composers.composer import Composer, Paper, VectorConfig, composers
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape
from cirray.errors import ConfigError


class AttributeAsOperatorConfig(VectorConfig):
    """Settings of `AttributeAsOperator`.

    Attributes:
        rectify: whether image vectors and transformed vectors go through a ReLU, as in the operators' own paper;
            without it, as Vo et al. write it.
    """

    name: Literal["attribute-as-operator"] = "attribute-as-operator"
    rectify: bool = False


@composers.register("attribute-as-operator")
class AttributeAsOperator(Composer):
    """The reference's vector, multiplied by a matrix that belongs to the text.

    Nagarajan and Grauman, "Attributes as Operators: Factorizing Unseen Attribute-Object Compositions" (ECCV 2018),
    as the baseline of Vo et al., "Composing Text and Image…" (CVPR 2019), section 4.1, uses it. With x (B, D) the
    reference's vector and S_t (D, D) what the text encoder holds for the text t:

        T_t   = I + S_t
        query = T_t x                relu(T_t relu(x)) with `rectify`

    Every distinct text has a matrix of its own: the tokeniser "whole" makes each text one token, and the text
    encoder "words", with vectors of D² values that start at zero (`words.std` 0), holds the matrices. So every
    operator starts as the identity, which is how the released code of Nagarajan and Grauman starts them, and a text
    that training never saw, or an empty one, changes nothing. A gallery picture has the vector x.

    Different from the operators' own paper, which composes an attribute with an object's word vector and trains with
    auxiliary classifiers, inverse, commutative and antonym losses: Vo et al. transform the picture's vector and use
    their own losses alone, and report it on MIT-States only. No code was released for their version.
    """

    Config = AttributeAsOperatorConfig
    paper = Paper(
        "Nagarajan and Grauman",
        "Attributes as Operators: Factorizing Unseen Attribute-Object Compositions",
        "ECCV",
        2018,
    )
    needs = ("a closed set of texts, each of them one token", "sentence vectors of dim² values")

    def __init__(self, config: AttributeAsOperatorConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        _check_size(config.dim, text.sentence)
        self.parts = (config.dim,)
        self.rectify = config.rectify
        self.project = nn.Linear(image.pooled, config.dim)

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D)."""
        assert reference is not None
        assert text is not None
        vector = self.embed(reference)
        change = text.sentence.unflatten(1, (self.dim, self.dim))
        # x + S x rather than (I + S) x: half precision would round small changes away beside the ones.
        transformed = vector + (change @ vector.to(change.dtype)[..., None])[..., 0]
        return F.relu(transformed) if self.rectify else transformed

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the projected pooled features (B, D)."""
        vector = cast(Tensor, self.project(image.pooled))
        return F.relu(vector) if self.rectify else vector


def _check_size(dim: int, sentence: int) -> None:
    if sentence == dim * dim:
        return
    fitting = isqrt(sentence)
    other = f", or model.composer.dim to {fitting}" if fitting * fitting == sentence else ""
    raise ConfigError(
        f"Composer 'attribute-as-operator' with dim {dim} needs sentence vectors of {dim}² = {dim * dim} values, one "
        f"{dim}×{dim} matrix a text; the text encoder gives {sentence}.",
        hint="Set model.tokenizer to whole and model.text_encoder to {name: words, "
        f"word_dim: {dim * dim}, words: {{name: random, std: 0}}}}{other}.",
    )
