"""TIRG on the last convolutional map: text image residual gating."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from cirray.composers.composer import Composer, composers
from cirray.composers.gating import GatingConfig
from cirray.composers.papers import TIRG
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape


class TirgLastConvConfig(GatingConfig):
    """Settings of `TirgLastConv`."""

    name: Literal["tirg-last-conv"] = "tirg-last-conv"


@composers.register("tirg-last-conv")
class TirgLastConv(Composer):
    """Keep what the gate lets through of the reference's map, and add what the text asks for.

    Vo et al., "Composing Text and Image for Image Retrieval: An Empirical Odyssey" (CVPR 2019), Eqs. 1 to 3.
    With X (B, C, H, W) the reference's last map, t (B, T) the text broadcast over its positions, Z = [X; t]:

        gate      g = conv3x3(relu(conv3x3(bn(Z))))       Eq. 2, before its sigmoid
        residual  r = conv3x3(relu(conv3x3(bn(Z))))       Eq. 3, with weights of its own
        modified  X' = w_g · sigmoid(g) ⊙ X + w_r · r     Eq. 1
        query     project(mean over positions of X')

    A gallery picture goes through the same projection. Where paper and released code differ we follow the code:
    batch norm once, at the input of each branch, where the paper speaks of every convolution; the two weights
    start at 1 and 10, which the paper does not give; the first convolution keeps the C + T channels.
    """

    Config = TirgLastConvConfig
    paper = TIRG
    explains = ("gate", "residual")

    def __init__(self, config: TirgLastConvConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        self.parts = (config.dim,)
        channels = image.level(-1).channels
        self.gate = _branch(channels, text.sentence)
        self.residual = _branch(channels, text.sentence)
        self.weights = nn.Parameter(torch.tensor([config.gate_weight, config.residual_weight]))
        self.project = nn.Linear(channels, config.dim)

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D)."""
        assert reference is not None
        assert text is not None
        image_map = reference.maps[-1]
        joint = _join(image_map, text.sentence)
        gated = torch.sigmoid(self.gate(joint)) * image_map
        modified = self.weights[0] * gated + self.weights[1] * self.residual(joint)
        return cast(Tensor, self.project(modified.mean(dim=(2, 3))))

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the last map, averaged over its positions and projected, (B, D)."""
        return cast(Tensor, self.project(image.maps[-1].mean(dim=(2, 3))))

    def explain(self, reference: ImageFeatures | None, text: TextFeatures | None) -> dict[str, Tensor]:
        """Return "gate", how much of each position is kept, and "residual", where most is added, both (B, H, W)."""
        assert reference is not None
        assert text is not None
        joint = _join(reference.maps[-1], text.sentence)
        added = self.residual(joint).norm(dim=1)
        return {
            "gate": torch.sigmoid(self.gate(joint)).mean(dim=1),
            "residual": added / added.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12),
        }


def _join(image_map: Tensor, sentence: Tensor) -> Tensor:
    """Return the map with the sentence vector appended at every position, (B, C + T, H, W)."""
    height, width = image_map.shape[2:]
    return torch.cat([image_map, sentence[:, :, None, None].expand(-1, -1, height, width)], dim=1)


def _branch(channels: int, text_dim: int) -> nn.Sequential:
    joint = channels + text_dim
    return nn.Sequential(
        nn.BatchNorm2d(joint),
        nn.Conv2d(joint, joint, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(joint, channels, 3, padding=1),
    )
