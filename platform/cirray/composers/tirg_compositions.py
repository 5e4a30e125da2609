"""TIRG for unseen compositions: an attribute modifies an object, and pictures are told apart by the result."""

from __future__ import annotations

from typing import Literal, cast

from torch import Tensor, nn

from cirray.composers.composer import Composer, composers
from cirray.composers.gating import GatingConfig, ResidualGating
from cirray.composers.papers import TIRG
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape


class TirgCompositionsConfig(GatingConfig):
    """Settings of `TirgCompositions`."""

    name: Literal["tirg-compositions"] = "tirg-compositions"


@composers.register("tirg-compositions")
class TirgCompositions(Composer):
    """TIRG over two words: the object takes the place of the picture, the attribute that of the text.

    Vo et al., "Composing Text and Image for Image Retrieval: An Empirical Odyssey" (CVPR 2019), on MIT-States
    compositions. The text is "attribute object"; n (B, D) is the object's word vector, a (B, W) the attribute's:

        query = w_g · σ(g) ⊙ n + w_r · r      Eq. 1; g and r of `ResidualGating`, with z = [n; a]

    A picture, projected to D, has the composition whose query is nearest: the protocol `mit-states-compositions`
    measures how often that is the right one. No code was released; the layers are those of the released TIRG over
    vectors, and the weights start at 1 and 10 as there.

    Own choices, since the paper says no more than that: both words come from one table, where no word is attribute
    and object at once; a linear layer brings the object's vector to D where word vectors have another size; an
    object of several words is their mean. A text of one word is an attribute without an object, whose vector is then
    zero before that layer. Only word vectors are read (`TextFeatures.words`): a text encoder that has weights of its
    own behind them is refused.
    """

    Config = TirgCompositionsConfig
    paper = TIRG
    uses_reference = False
    reads_words_only = True
    needs = (
        "texts of an attribute and an object, such as captions of MIT-States",
        "a text encoder that is word vectors and no more, such as words",
    )

    def __init__(self, config: TirgCompositionsConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        dim = config.dim
        self.parts = (dim,)
        self.project = nn.Linear(image.pooled, dim)
        self.project_object = nn.Identity() if text.words == dim else nn.Linear(text.words, dim)
        self.gating = ResidualGating(config, text.words)

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the compositions' vectors (B, D)."""
        assert text is not None
        noun = self.project_object(_mean(text.words[:, 1:], text.mask[:, 1:]))
        return cast(Tensor, self.gating(noun, text.words[:, 0]))

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the projected pooled features (B, D)."""
        return cast(Tensor, self.project(image.pooled))


def _mean(words: Tensor, mask: Tensor) -> Tensor:
    """Return the mean (B, W) of the words (B, L, W) where there are some, zero where there is none."""
    counts = mask.sum(dim=1, keepdim=True).clamp_min(1)
    return (words * mask[..., None]).sum(dim=1) / counts
