"""SAC: spatial attention by the text, then an offset to what it attends to."""

from __future__ import annotations

from typing import Literal, cast

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field, PositiveFloat, model_validator
from torch import Tensor, nn

from cirray.composers.composer import Composer, Paper, VectorConfig, composers
from cirray.composers.gating import GatingConfig, ResidualGating
from cirray.composers.spatial_attention import SpatialFeatureAttention, generalised_mean
from cirray.composers.two_sided_norm import Side, TwoSidedNorm
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape


class SacConfig(VectorConfig):
    """Settings of `Sac`.

    Attributes:
        levels: of the image encoder, from fine to coarse; one alone is an ablation of the paper.
        temperatures: τ of the saliency, one a level.
        composition: how the aggregated reference and the text meet; all but "offsetting" are ablations of the paper.
        power: initial p of the GeM pooling.
        attention_weight: initial β of the position attention.
        saliency_weight: initial γ of the attended features.
        scale: initial δ, the length of queries and gallery vectors.
    """

    name: Literal["sac"] = "sac"
    levels: tuple[int, ...] = Field((-2, -1), min_length=1, max_length=3)
    temperatures: tuple[PositiveFloat, ...] = (1.0, 8.0)
    composition: Literal["offsetting", "concat", "residual-gating", "hadamard"] = "offsetting"
    power: float = Field(3.0, gt=0)
    attention_weight: float = 0.1
    saliency_weight: float = 1.0
    scale: float = Field(4.0, gt=0)

    @model_validator(mode="after")
    def _one_temperature_a_level(self) -> SacConfig:
        if list(self.levels) != sorted(set(self.levels)):
            raise ValueError(f"levels {self.levels} must go from fine to coarse, each once, such as (-2, -1)")
        if len(self.levels) != len(self.temperatures):
            raise ValueError(f"temperatures {self.temperatures} must have one entry for each of levels {self.levels}")
        return self


@composers.register("sac")
class Sac(Composer):
    """See where the text points (`SpatialFeatureAttention`), then how to change it.

    Jandial et al., "SAC: Semantic Attention Composition for Text-Conditioned Image Retrieval" (WACV 2022). With O^l
    what level l of a picture is pooled to, by the attention where it is a reference and by GeM alone where it is not:

        level          G^l = bn(linear(O^l)), one layer for references and gallery
        aggregated     H = last state of an LSTM over the levels;  f_agg = linear(bn(H))
        text           f_text = linear(sentence)
        query          δ · (f_agg + f_text) / ‖f_agg + f_text‖
        gallery        δ · f_agg / ‖f_agg‖

    Own choices, where the paper says nothing: all these vectors have one size; p starts at 3 and each level has its
    own, for references and gallery alike; δ starts at 4, as TIRG's scale. For the gallery the paper's equation stops
    at H; we take it through the same layers, since distances to a query in another space would mean nothing. Where
    the paper shares batch norm, references and gallery share its weights and have running statistics of their own
    (`TwoSidedNorm`): attention makes the references' vectors longer, and with statistics of the mixture what was
    learned is lost in evaluation. The paper's three other compositions are named, not written out. Here "concat" is
    linear([f_agg; f_text]), "residual-gating" TIRG's gating, "hadamard" f_agg ⊙ f_text, in place of the sum.
    """

    Config = SacConfig
    paper = Paper(
        "Jandial et al.", "SAC: Semantic Attention Composition for Text-Conditioned Image Retrieval", "WACV", 2022
    )
    needs = ("an image encoder with a map for each of its levels",)
    explains: tuple[str, ...] = ("saliency-1", "saliency-2")

    def __init__(self, config: SacConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        self.explains = tuple(f"saliency-{number}" for number in range(1, len(config.levels) + 1))
        self.numbers, self.composition, dim = config.levels, config.composition, config.dim
        self.parts = (dim,)
        channels = [image.level(number).channels for number in config.levels]
        self.attention = nn.ModuleList(
            SpatialFeatureAttention(size, text.sentence, tau, config.attention_weight, config.saliency_weight)
            for size, tau in zip(channels, config.temperatures, strict=True)
        )
        self.powers = nn.Parameter(torch.full((len(channels),), config.power))
        self.levels = nn.ModuleList(nn.Linear(size, dim) for size in channels)
        self.norms = nn.ModuleList(TwoSidedNorm(dim) for _ in channels)
        self.over_levels = nn.LSTM(dim, dim, batch_first=True)
        self.norm = TwoSidedNorm(dim)
        self.aggregate = nn.Linear(dim, dim)
        self.project_text = nn.Linear(text.sentence, dim)
        if config.composition == "concat":
            self.join: nn.Module = nn.Linear(2 * dim, dim)
        elif config.composition == "residual-gating":
            self.join = ResidualGating(GatingConfig(name="residual-gating", dim=dim), dim)
        self.scale = nn.Parameter(torch.tensor(config.scale))

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D), all of length δ."""
        assert reference is not None
        assert text is not None
        pooled = []
        for attend, power, plane in zip(self.attention, self.powers, self._maps(reference), strict=True):
            attended, salient = attend(plane, text.sentence)
            pooled.append(generalised_mean(attended, power) + salient)
        joined = self._join(self._aggregated(pooled, "queries"), self.text_vectors(text))
        return self.scale * F.normalize(joined, dim=1)

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the gallery vectors (B, D), all of length δ."""
        pooled = [generalised_mean(plane, power) for plane, power in zip(self._maps(image), self.powers, strict=True)]
        return self.scale * F.normalize(self._aggregated(pooled, "gallery"), dim=1)

    def text_vectors(self, text: TextFeatures) -> Tensor:
        """Return f_text (B, D)."""
        return cast(Tensor, self.project_text(text.sentence))

    def explain(self, reference: ImageFeatures | None, text: TextFeatures | None) -> dict[str, Tensor]:
        """Return the saliency M of each level, 1 the finest, relative to the position that has most, (B, H, W)."""
        assert reference is not None
        assert text is not None
        maps = {}
        for number, (level, attend) in enumerate(zip(self.numbers, self.attention, strict=True), start=1):
            assert isinstance(attend, SpatialFeatureAttention)
            plane = reference.maps[level]
            saliency = attend.saliency(_positions(plane), text.sentence)
            relative = saliency / saliency.amax(dim=1, keepdim=True)
            maps[f"saliency-{number}"] = relative.reshape(len(plane), *plane.shape[2:])
        return maps

    def _maps(self, image: ImageFeatures) -> list[Tensor]:
        return [_positions(image.maps[number]) for number in self.numbers]

    def _aggregated(self, pooled: list[Tensor], side: Side) -> Tensor:
        """Return f_agg (B, D) of the levels' vectors (B, C_l)."""
        levels = zip(self.norms, self.levels, pooled, strict=True)
        sequence = torch.stack([norm(level(each), side) for norm, level, each in levels], dim=1)
        # Two steps cost nothing, and many processors cannot run an LSTM in bf16.
        with torch.autocast(sequence.device.type, enabled=False):
            states, _ = self.over_levels(sequence.float())
        return cast(Tensor, self.aggregate(self.norm(states[:, -1], side)))

    def _join(self, aggregated: Tensor, text: Tensor) -> Tensor:
        if self.composition == "offsetting":
            return aggregated + text
        if self.composition == "hadamard":
            return aggregated * text
        if self.composition == "concat":
            return cast(Tensor, self.join(torch.cat([aggregated, text], dim=1)))
        return cast(Tensor, self.join(aggregated, text))


def _positions(plane: Tensor) -> Tensor:
    """Return a map (B, C, H, W) as (B, P, C)."""
    return plane.flatten(2).transpose(1, 2)
