"""CurlingNet: delivery of the reference, and sweeping of each gallery item by the query's text."""

from __future__ import annotations

from typing import Literal, cast

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from torch import Tensor, nn

from cirray.composers.compact_bilinear import CompactBilinear
from cirray.composers.composer import Composer, Paper, composers
from cirray.composers.gating import GatingConfig, ResidualGating
from cirray.composers.mutan import Mutan
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape

PAIR_VALUES = 2**23
"""Values of swept vectors in memory at once: 32 MB, and a few times that for what they are made of."""


class CurlingNetConfig(GatingConfig):
    """Settings of `CurlingNet`.

    Attributes:
        image_dropout: share of the pooled features' values that are dropped in training.
        fusion_rank: R of the MUTAN product of picture and text.
        fusion_dropout: in it.
        scale: initial length of queries, and of swept gallery vectors.
        attention_divisor: by which the sketched product of gallery vector and text is divided before its softmax.
    """

    name: Literal["curling-net"] = "curling-net"
    image_dropout: float = Field(0.2, ge=0, lt=1)
    fusion_rank: int = Field(12, ge=1)
    fusion_dropout: float = Field(0.2, ge=0, lt=1)
    scale: float = Field(5.0, gt=0)
    attention_divisor: float = Field(500.0, gt=0)


@composers.register("curling-net")
class CurlingNet(Composer):
    """Deliver the reference to where the text wants it, and sweep the way of each gallery item towards it.

    Yu et al., "CurlingNet: Compositional Learning between Images and Text for Fashion IQ Data" (ICCV workshop, 2019),
    after its released code with its default settings. With x = unit(W · dropout(pooled)) of a picture, t of the
    source-side text encoder and u of the target-side one, both through a gated embedding unit (v = W s,
    unit(v ⊙ sigmoid(bn(V v)))), and Z = [x; t; mutan(x, t)]:

        delivery    q = w_g · sigmoid(W₁ relu(bn(Z))) ⊙ x + w_r · W₃ relu(W₂ relu(bn(Z)))     w = (1, 10)
        sweeping    α = softmax(D · cbp(y, u) / 500),   y' = y + y ⊙ α                        y gallery vector
        score       s_q s_t · cos(q, y')                                                      s = 5 each

    α spreads over the D channels of a vector, so that each pair of query and gallery item has its own y': a
    gallery cannot be embedded ahead, and ranking N items for Q queries takes Q · N sweepings. `embed` gives y,
    `compose` q, and `rescore` the scores. D · cbp is the released code's product, whose factor is that of the old
    inverse Fourier transform times the size; with unit vectors and a divisor of 500 the softmax stays close to
    1/D everywhere (`attention_divisor` sharpens it), so that the sweeping is slight.

    Left out, because they need annotations that Fashion IQ alone has: the six attribute experts with their NetVLAD
    pooling, the reasoning over pairs of experts, which needs two of them, and the mixture of experts by the text,
    whose weight for a single one is 1. The picture is the only expert. DenseNet-169 and the text encoder (BiGRU,
    convolutions and bag of words) are encoders of the model's configuration. The second text encoder has word
    vectors of its own; the code's two share theirs.
    """

    Config = CurlingNetConfig
    paper = Paper(
        "Yu et al.", "CurlingNet: Compositional Learning between Images and Text for Fashion IQ Data", "ICCVW", 2019
    )
    rescores = True
    second_encoder = "query"
    needs = ("a re-ranking of all gallery items for each query",)

    def __init__(self, config: CurlingNetConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        dim = config.dim
        self.parts = (dim,)
        self.attention_divisor = config.attention_divisor
        self.picture = nn.Sequential(nn.Dropout(config.image_dropout), nn.Linear(image.pooled, dim))
        self.source_text = GatedEmbedding(text.sentence, dim)
        self.target_text = GatedEmbedding(text.sentence, dim)
        self.fusion = Mutan(dim, config.fusion_rank, config.fusion_dropout)
        self.delivery = ResidualGating(config, 2 * dim, hidden=2 * dim)
        self.bilinear = CompactBilinear(dim)
        self.query_scale = nn.Parameter(torch.tensor(config.scale))
        self.gallery_scale = nn.Parameter(torch.tensor(config.scale))

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the delivered queries (B, D)."""
        assert reference is not None
        assert text is not None
        image, words = self.embed(reference), self.source_text(text.sentence)
        return cast(Tensor, self.delivery(image, torch.cat([words, self.fusion(image, words)], dim=1)))

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the gallery vectors (B, D), unit length, before any query sweeps them."""
        return F.normalize(self.picture(image.pooled), dim=1)

    def rescore(self, queries: Tensor, text: TextFeatures | None, gallery: Tensor) -> Tensor:
        """Return s_q s_t · cos(q, y') of each query and each gallery item as the query's text sweeps it, (B, N).

        Args:
            queries: (B, D) as `compose` gives them; their length does not matter.
            text: the queries' texts, with their second encoding.
            gallery: (N, D) as `embed` gives them; their length does not matter.
        """
        assert text is not None
        assert text.second is not None
        words = self.target_text(text.second.sentence)
        # Fourier transforms, and differences between near neighbours, need all the digits.
        with torch.autocast(queries.device.type, enabled=False):
            source, swept_by = F.normalize(queries.float(), dim=1), self.bilinear.spectra(words.float(), 2)
            at_once = max(1, PAIR_VALUES // max(1, source.numel()))
            cosines = [
                self._swept_cosines(source, swept_by, F.normalize(some.float(), dim=1))
                for some in gallery.split(at_once)
            ]
            return self.query_scale * self.gallery_scale * torch.cat(cosines, dim=1)

    def _swept_cosines(self, source: Tensor, swept_by: Tensor, gallery: Tensor) -> Tensor:
        pooled = self.bilinear(self.bilinear.spectra(gallery, 1)[None], swept_by[:, None])
        attention = torch.softmax(pooled * (gallery.shape[1] / self.attention_divisor), dim=2)
        swept = F.normalize(gallery * (1 + attention), dim=2)
        return torch.einsum("bd,bnd->bn", source, swept)


class GatedEmbedding(nn.Module):
    """A projection that gates itself, to unit length (Miech et al., "Learning a Text-Video Embedding", 2018)."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(size, dim)
        self.gate = nn.Sequential(nn.Linear(dim, dim), nn.BatchNorm1d(dim))

    def forward(self, vectors: Tensor) -> Tensor:
        """Return (B, D) of (B, size)."""
        projected = self.project(vectors)
        return F.normalize(projected * torch.sigmoid(self.gate(projected)), dim=1)
