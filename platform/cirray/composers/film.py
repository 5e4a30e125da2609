"""FiLM: the text scales and shifts the channels of convolutional blocks after the image network."""

from __future__ import annotations

from typing import Literal, cast

import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from torch import Tensor, nn

from cirray.composers.composer import Composer, Paper, VectorConfig, composers
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape
from cirray.encoders.coordinates import with_coordinates


class FilmConfig(VectorConfig):
    """Settings of `Film`.

    Attributes:
        blocks: how many.
        width: channels of the blocks; null for as many as the map has.
        level: which map; −1 is the coarsest.
        coordinates: whether each block also sees the two coordinates of each position, from −1 to 1, as the original
            and CurlingNet's code do.
        scale: γ as it comes from the text, or 1 + γ, as CurlingNet's code does.
    """

    name: Literal["film"] = "film"
    blocks: int = Field(3, ge=1)
    width: int | None = Field(None, ge=1)
    level: int = Field(-1, lt=0)
    coordinates: bool = False
    scale: Literal["gamma", "one-plus-gamma"] = "gamma"


@composers.register("film")
class Film(Composer):
    """Residual blocks after the image network; the text scales and shifts each of their channels.

    Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer" (AAAI 2018), Eqs. 1 and 2 and its
    residual block, with the three layers after the CNN that Chen et al., "Image Search with Text Feedback by
    Visiolinguistic Attention Learning" (CVPR 2020), use as a baseline. With X_0 the reference's map, t the text and
    γ_l, β_l (B, C) linear in t (Eq. 1), block l is

        a_l = relu(conv1x1(X_{l−1}))
        X_l = a_l + relu(γ_l ⊙ bn(conv3x3(a_l)) + β_l)        bn has no weights of its own; Eq. 2 within the ReLU

    and query = W · mean over positions of the last X. A gallery picture's map is averaged and goes through a linear
    layer of its own, since the blocks' channels are not the map's.

    Chen et al. released no code and do not say what stands between their three layers. Own choice: the original's
    residual block, because without a non-linearity between them three scale-and-shift layers are no more than one.
    Other forms: Vo et al. (TIRG) put the layers inside the CNN, which is not possible here, where the image network
    runs once for all queries. RTIC's released code has these blocks with one linear layer for all γ and β, as here,
    but pads the 1×1 convolution, so that the map grows by two positions a block and half-empty borders are averaged
    in: an oversight that is not repeated. CurlingNet's released code adds `coordinates` and has scale
    "one-plus-gamma". The bias of the 3×3 convolution, which the batch norm behind it would cancel, is left out.
    `width` is there because blocks as wide as ResNet-50's last map have 126 million weights; the original has 128.
    """

    Config = FilmConfig
    paper = Paper("Perez et al.", "FiLM: Visual Reasoning with a General Conditioning Layer", "AAAI", 2018)

    def __init__(self, config: FilmConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        self.config = config
        self.parts = (config.dim,)
        channels = image.level(config.level).channels
        width = config.width or channels
        before = (channels, *[width] * (config.blocks - 1))
        self.modulate = nn.Linear(text.sentence, 2 * width * config.blocks)
        self.blocks = nn.ModuleList(_Block(size + 2 * config.coordinates, width) for size in before)
        self.project_query = nn.Linear(width, config.dim)
        self.project = nn.Linear(channels, config.dim)

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D)."""
        assert reference is not None
        assert text is not None
        image_map = reference.maps[self.config.level]
        modulations = self.modulate(text.sentence).chunk(self.config.blocks, dim=1)
        for block, modulation in zip(self.blocks, modulations, strict=True):
            gamma, beta = modulation[:, :, None, None].chunk(2, dim=1)
            if self.config.scale == "one-plus-gamma":
                gamma = 1 + gamma
            if self.config.coordinates:
                image_map = with_coordinates(image_map)
            image_map = block(image_map, gamma, beta)
        return cast(Tensor, self.project_query(image_map.mean(dim=(2, 3))))

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the map, averaged over its positions and projected, (B, D)."""
        return cast(Tensor, self.project(image.maps[self.config.level].mean(dim=(2, 3))))


class _Block(nn.Module):
    """One residual block."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.point = nn.Conv2d(before, width, 1)
        self.around = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width, affine=False)

    def forward(self, image_map: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        """Return the next map (B, width, H, W); γ and β are (B, width, 1, 1)."""
        kept = F.relu(self.point(image_map))
        return kept + F.relu(gamma * self.norm(self.around(kept)) + beta)
