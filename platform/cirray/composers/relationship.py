"""Relationship: a network looks at every pair of positions together with the text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, cast

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cirray.composers.composer import Composer, Paper, VectorConfig, composers
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape
from cirray.encoders.coordinates import with_coordinates

VALUES_AT_ONCE = 2**24
"""Values of a layer over pairs that are held in memory at a time; 64 MiB in single precision."""


class RelationshipConfig(VectorConfig):
    """Settings of `Relationship`.

    Attributes:
        pooling: "average" over the pairs and one linear layer, as TIRG's baseline; "sum" over them and a second
            network, as VAL's baseline and the original.
        hidden: size of the layers on pairs, and of the second network's.
        layers: how many layers, each with a ReLU, a pair goes through.
        level: which map; −1 is the coarsest.
        coordinates: whether each position also has its two coordinates, from −1 to 1, as in the original.
    """

    name: Literal["relationship"] = "relationship"
    pooling: Literal["average", "sum"] = "average"
    hidden: int = Field(256, ge=1)
    layers: int = Field(2, ge=1)
    level: int = Field(-1, lt=0)
    coordinates: bool = False


@composers.register("relationship")
class Relationship(Composer):
    """Every ordered pair of positions, with the text, through one network; then the average or the sum.

    Santoro et al., "A simple neural network module for relational reasoning" (NIPS 2017), Eq. 1, as two papers use it
    as a baseline. With X_u the value of the reference's map at position u, t the text, g a network of `layers`
    linear layers, each followed by a ReLU:

        "average"   query = W mean_{u,v} g([X_u; X_v; t])               Vo et al. (TIRG, CVPR 2019)
        "sum"       query = W relu(V sum_{u,v} g([X_u; X_v; t]))        Chen et al. (VAL, CVPR 2020)

    In "average" W is the last layer of the one network of Vo et al.: it is linear, so that averaging before it or
    after it is the same. The first layer of g is linear in its three inputs, A X_u + B X_v + C t, and these are
    computed once a position instead of once a pair: the [X_u; X_v; t] of the 2,401 pairs of a 7 × 7 map are never
    built. What remains, a layer's values over all pairs, is held for a part of the first positions at a time, and
    computed anew in the backward pass where it takes more than one part. A gallery picture goes through a linear
    layer on its pooled features.

    Neither paper gives sizes, and no code was released. Own choice: 256 values, the width of Santoro et al.'s
    layers, and two layers on pairs of their four, because a layer over 2,401 pairs costs as much as a stage of
    ResNet-18. Coordinates are off, because neither baseline mentions the original's.
    """

    Config = RelationshipConfig
    paper = Paper("Santoro et al.", "A simple neural network module for relational reasoning", "NIPS", 2017)
    explains = ("relations",)

    def __init__(self, config: RelationshipConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        self.config = config
        self.parts = (config.dim,)
        channels = image.level(config.level).channels + 2 * config.coordinates
        self.sizes = [channels, channels, text.sentence]
        self.first = nn.Linear(sum(self.sizes), config.hidden)
        self.further = nn.ModuleList(nn.Linear(config.hidden, config.hidden) for _ in range(config.layers - 1))
        second = [nn.Linear(config.hidden, config.hidden), nn.ReLU()] if config.pooling == "sum" else []
        self.head = nn.Sequential(*second, nn.Linear(config.hidden, config.dim))
        self.project = nn.Linear(image.pooled, config.dim)

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D)."""
        first, second = self._first_layer(reference, text)
        parts = list(_parts(first, second))
        total = torch.zeros((), device=first.device)
        for part in parts:
            total = total + (
                checkpoint(self._sum, part, second, use_reentrant=False, preserve_rng_state=False)
                if len(parts) > 1 and torch.is_grad_enabled()
                else self._sum(part, second)
            )
        if self.config.pooling == "average":
            total = total / first.shape[1] ** 2
        return cast(Tensor, self.head(total))

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the projected pooled features (B, D)."""
        return cast(Tensor, self.project(image.pooled))

    def explain(self, reference: ImageFeatures | None, text: TextFeatures | None) -> dict[str, Tensor]:
        """Return "relations" (B, H, W): how far what a position's pairs add differs from an average position's.

        The pairs that a position is first or second in are summed, Σ_v g(u, v) + g(v, u); the map is the distance
        of this sum from its mean over the positions, 1 at the largest.
        """
        assert reference is not None
        first, second = self._first_layer(reference, text)
        as_first, as_second = [], torch.zeros_like(second, dtype=torch.float32)
        for part in _parts(first, second):
            related = self._relate(part, second).float()
            as_first.append(related.sum(dim=2))
            as_second += related.sum(dim=1)
        sums = torch.cat(as_first, dim=1) + as_second
        distances = (sums - sums.mean(dim=1, keepdim=True)).norm(dim=2)
        scaled = distances / distances.amax(dim=1, keepdim=True).clamp_min(1e-12)
        return {"relations": scaled.unflatten(1, reference.maps[self.config.level].shape[2:])}

    def _first_layer(self, reference: ImageFeatures | None, text: TextFeatures | None) -> tuple[Tensor, Tensor]:
        """Return A X_u + C t and B X_v of g's first layer, both (B, positions, hidden)."""
        assert reference is not None
        assert text is not None
        image_map = reference.maps[self.config.level]
        if self.config.coordinates:
            image_map = with_coordinates(image_map)
        positions = image_map.flatten(2).transpose(1, 2)
        of_first, of_second, of_text = self.first.weight.split(self.sizes, dim=1)
        asked = F.linear(text.sentence, of_text, self.first.bias)
        return F.linear(positions, of_first) + asked[:, None], F.linear(positions, of_second)

    def _relate(self, first: Tensor, second: Tensor) -> Tensor:
        """Return g of all pairs of the positions `first` with the positions `second`, (B, U, V, hidden)."""
        values = F.relu(first[:, :, None] + second[:, None])
        for layer in self.further:
            values = F.relu(layer(values))
        return values

    def _sum(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the sum of g over these pairs, (B, hidden) float32."""
        return self._relate(first, second).sum(dim=(1, 2), dtype=torch.float32)


def _parts(first: Tensor, second: Tensor) -> Iterator[Tensor]:
    """Yield `first` (B, U, hidden) in parts whose pairs with `second` (B, V, hidden) fit in memory."""
    step = max(1, VALUES_AT_ONCE // max(1, second.numel()))
    starts = [*range(0, first.shape[1], step), first.shape[1]]
    for start, end in pairwise(starts):
        yield first[:, start:end]
