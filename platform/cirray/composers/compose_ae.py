"""ComposeAE: the text turns the picture in a complex space."""

from __future__ import annotations

from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from cirray.composers.composer import Composer, Paper, VectorConfig, composers
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape


class ComposeAeConfig(VectorConfig):
    """Settings of `ComposeAe`.

    Attributes:
        channels: of the convolution over the five stacked vectors.
        dropout: share of the image's values that are dropped before they enter the complex space.
        linear_weight: initial weight of what the linear mapping gives.
        convolution_weight: initial weight of what the convolutional mapping gives.
        conjugation: "backward" turns by the text's angle on the way to the target, and by its negative on the way
            back, as paper and released code do; "always" turns by the negative both ways, as RTIC's code does.
    """

    name: Literal["compose-ae"] = "compose-ae"
    channels: int = Field(64, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    linear_weight: float = 10.0
    convolution_weight: float = 1.0
    conjugation: Literal["backward", "always"] = "backward"


@composers.register("compose-ae")
class ComposeAe(Composer):
    """Turn the picture by angles that the text gives, and bring the complex result back to the real space.

    Anwaar et al., "Compositional Learning of Image-Text Query for Image Retrieval" (WACV 2021), section 3. With x
    (B, D) the projected reference, t (B, T) the text, and c = 1 forward, −1 backward:

        z = linear(relu(drop(linear(bn(x)))))               the picture's lengths, (B, D)
        δ = linear(relu(linear(bn(t))))                     the text's angles, (B, D)
        z · exp(cjδ):   re = z ⊙ cos δ,   im = c · z ⊙ sin δ
        ρ(v) = linear(relu(linear(relu(bn(v)))))            back to D
        θ = a · ρ([re; im]) + b · ρ'(pool(conv([z, δ, x, re, im])))

    conv is one-dimensional of width 3 over the D places of the five vectors, and pool takes the maximum of each of
    max(1, 2·D div `channels`) windows: 16 at D = 512, as in the released code, whose numbers are for that size only
    (RTIC's code generalises it so). Each mapping has a projection (z and δ) of its own, and a starts at 10, b at 1,
    as in the released code; the paper gives no initial values.

    Released code that is not followed: it takes texts of 768 values (BERT's) and batches of up to 32 only. Here T is
    the text encoder's, and the sign is a number. The decoders that reconstruct picture and text are parts of the
    losses `image-reconstruction` and `text-reconstruction`; `compose_back` serves `rotational-symmetry`.
    """

    Config = ComposeAeConfig
    paper = Paper("Anwaar et al.", "Compositional Learning of Image-Text Query for Image Retrieval", "WACV", 2021)

    def __init__(self, config: ComposeAeConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        dim, windows = config.dim, max(1, 2 * config.dim // config.channels)
        self.parts = (dim,)
        self.forward_sign = -1.0 if config.conjugation == "always" else 1.0
        self.project = nn.Linear(image.pooled, dim)
        self.for_linear = _Projection(dim, text.sentence, config.dropout)
        self.for_convolution = _Projection(dim, text.sentence, config.dropout)
        self.linear = _mapping(2 * dim, dim)
        self.convolution = nn.Sequential(
            nn.Conv1d(5, config.channels, 3, padding=1), nn.AdaptiveMaxPool1d(windows), nn.Flatten()
        )
        self.after_convolution = _mapping(config.channels * windows, dim)
        self.weights = nn.Parameter(torch.tensor([config.linear_weight, config.convolution_weight]))

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D)."""
        assert reference is not None
        assert text is not None
        return self._turn(reference, text, self.forward_sign)

    def compose_back(self, target: ImageFeatures, text: TextFeatures) -> Tensor:
        """Return what the targets are without their texts' changes (B, D): by the conjugate, so turned back."""
        return self._turn(target, text, -1.0)

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the projected pooled features (B, D)."""
        return cast(Tensor, self.project(image.pooled))

    def _turn(self, image: ImageFeatures, text: TextFeatures, sign: float) -> Tensor:
        x, t = self.embed(image), text.sentence
        z, delta = self.for_linear(x, t)
        turned = torch.cat([z * delta.cos(), sign * z * delta.sin()], dim=1)
        from_linear = self.linear(turned)
        z, delta = self.for_convolution(x, t)
        stacked = torch.stack([z, delta, x, z * delta.cos(), sign * z * delta.sin()], dim=1)
        from_convolution = self.after_convolution(self.convolution(stacked))
        return cast(Tensor, self.weights[0] * from_linear + self.weights[1] * from_convolution)


class _Projection(nn.Module):
    """Picture and text in polar coordinates: lengths from the one, angles from the other."""

    def __init__(self, dim: int, text: int, dropout: float) -> None:
        super().__init__()
        self.lengths = nn.Sequential(
            nn.BatchNorm1d(dim), nn.Linear(dim, dim), nn.Dropout(dropout), nn.ReLU(), nn.Linear(dim, dim)
        )
        self.angles = nn.Sequential(nn.BatchNorm1d(text), nn.Linear(text, dim), nn.ReLU(), nn.Linear(dim, dim))

    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        return self.lengths(image), self.angles(text)


def _mapping(size: int, dim: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm1d(size), nn.ReLU(), nn.Linear(size, dim), nn.ReLU(), nn.Linear(dim, dim))
