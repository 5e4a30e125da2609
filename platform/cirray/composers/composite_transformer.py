"""VAL's composite transformer: attention over the fused map that transforms and preserves."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field, model_validator
from torch import Tensor, nn

from cirray.composers.composer import ComposerConfig
from cirray.encoders import MapShape


class CompositeConfig(ComposerConfig):
    """Settings of a composite transformer. What the released code does otherwise than the paper is an option each.

    Attributes:
        text_dim: size of the text at each level, by a linear layer of the level's own; null for the sentence vector
            as it is, which in paper and code one layer of the text encoder has brought to 512.
        heads: of the self-attention; they must divide the channels of every level.
        self_attention: whether there is the stream that transforms; false is an ablation of the paper.
        joint_attention: whether there is the stream that preserves; false is an ablation of the paper.
        self_weight: initial w_sa; the paper gives none, the code 0.
        joint_weight: initial w_ja; the paper gives none, the code 1.
        batch_norm: as in the code, after the level's text layer (if there is one), the fusion and the
            self-attention's last layer.
        rectified_gates: as in the code, batch norm and ReLU before each sigmoid, so that no gate is below one half.
        split_heads: as in the code, each head sees its own share of the channels only.
        attention_dropout: share of the attention weights that are dropped; the paper has none, the code 0.1.
    """

    text_dim: int | None = Field(None, ge=1)
    heads: int = Field(2, ge=1)
    self_attention: bool = True
    joint_attention: bool = True
    self_weight: float = 1.0
    joint_weight: float = 1.0
    batch_norm: bool = False
    rectified_gates: bool = False
    split_heads: bool = False
    attention_dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _there_is_something_to_compose(self) -> CompositeConfig:
        if not (self.self_attention or self.joint_attention):
            raise ValueError("self_attention and joint_attention cannot both be off")
        return self


class CompositeTransformer(nn.Module):
    """The composition at one level; maps are (B, P, C), with all positions of the map in a row."""

    def __init__(self, config: CompositeConfig, shape: MapShape, text_dim: int) -> None:
        super().__init__()
        channels, normed = shape.channels, config.batch_norm
        size = config.text_dim or text_dim
        self.text = nn.Linear(text_dim, size, bias=not normed) if config.text_dim else nn.Identity()
        self.text_norm = _norm(normed and config.text_dim is not None, size)
        # A convolution over [X; t] is the sum of one over X and one over t, which need not be repeated in space.
        self.fuse_image = nn.Linear(channels, channels, bias=not normed)
        self.fuse_text = nn.Linear(size, channels, bias=False)
        self.fusion_norm = _norm(normed, channels)
        self.transform = SelfAttention(config, channels) if config.self_attention else None
        self.preserve = JointAttention(config, shape) if config.joint_attention else None
        if config.self_attention and config.joint_attention:
            self.weights = nn.Parameter(torch.tensor([config.self_weight, config.joint_weight]))

    def forward(self, image: Tensor, sentence: Tensor) -> Tensor:
        """Return the composed map (B, P, C).

        Args:
            image: (B, P, C).
            sentence: (B, T).
        """
        fused = self._fuse(image, sentence)
        if self.transform is None:
            return self._kept(fused, image)
        transformed: Tensor = self.transform(fused)
        if self.preserve is None:
            return transformed
        return self.weights[0] * transformed + self.weights[1] * self._kept(fused, image)

    def explain(self, image: Tensor, sentence: Tensor) -> dict[str, Tensor]:
        """Return (B, P) for each stream there is, in 0..1."""
        fused, maps = self._fuse(image, sentence), {}
        if self.transform is not None:
            received = self.transform.weights(fused).mean(dim=(1, 2))
            maps["self-attention"] = received / received.amax(dim=1, keepdim=True)
        if self.preserve is not None:
            maps["joint-attention"] = self.preserve(fused).mean(dim=2)
        return maps

    def _kept(self, fused: Tensor, image: Tensor) -> Tensor:
        assert self.preserve is not None
        gates: Tensor = self.preserve(fused)
        return gates * image

    def _fuse(self, image: Tensor, sentence: Tensor) -> Tensor:
        text = self.text_norm(self.text(sentence))
        joint = self.fuse_image(image) + self.fuse_text(text)[:, None]
        return F.relu(self.fusion_norm(joint.flatten(0, 1)).view_as(joint))


class SelfAttention(nn.Module):
    """Every position looks at all positions of the fused map."""

    def __init__(self, config: CompositeConfig, channels: int) -> None:
        super().__init__()
        self.heads = config.heads
        self.dropout = nn.Dropout(config.attention_dropout)
        kind = PerHead if config.split_heads else AllChannels
        self.queries = kind(channels, config.heads)
        self.keys = kind(channels, config.heads)
        self.values = kind(channels, config.heads)
        self.out = nn.Linear(channels, channels, bias=not config.batch_norm)
        self.norm = _norm(config.batch_norm, channels)

    def forward(self, fused: Tensor) -> Tensor:
        """Return o_sa, (B, P, C)."""
        if self.training and self.dropout.p:
            # By a layer, since what torch's attention drops would depend on which worker has which rows.
            attended = self.dropout(self.weights(fused)) @ self.values(fused)
        else:
            attended = F.scaled_dot_product_attention(self.queries(fused), self.keys(fused), self.values(fused))
        joined = self.out(attended.transpose(1, 2).flatten(2))
        return F.relu(self.norm(joined.flatten(0, 1)).view_as(joined))

    def weights(self, fused: Tensor) -> Tensor:
        """Return how much each position looks at each other, (B, heads, P, P); rows sum to 1."""
        queries, keys = self.queries(fused), self.keys(fused)
        return torch.softmax(queries @ keys.transpose(2, 3) / queries.shape[3] ** 0.5, dim=3)


class AllChannels(nn.Module):
    """From (B, P, C) to heads (B, heads, P, C / heads), each of which sees all channels."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(channels, channels, bias=False)

    def forward(self, fused: Tensor) -> Tensor:
        """Return the heads."""
        projected: Tensor = self.project(fused)
        batch, positions, channels = projected.shape
        return projected.view(batch, positions, self.heads, channels // self.heads).transpose(1, 2)


class PerHead(nn.Module):
    """From (B, P, C) to heads (B, heads, P, C / heads), each of which sees its own share of the channels."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(
            nn.Linear(channels // heads, channels // heads, bias=False) for _ in range(heads)
        )

    def forward(self, fused: Tensor) -> Tensor:
        """Return the heads."""
        shares = fused.chunk(len(self.project), dim=2)
        return torch.stack([project(share) for project, share in zip(self.project, shares, strict=True)], dim=1)


class JointAttention(nn.Module):
    """How much of each position and each channel of the reference is kept."""

    def __init__(self, config: CompositeConfig, shape: MapShape) -> None:
        super().__init__()
        self.height, self.width = shape.height, shape.width
        rectified = config.rectified_gates
        self.spatial = nn.Conv2d(1, 1, (shape.height, shape.width), bias=not rectified)
        self.channel = nn.Linear(shape.channels, shape.channels, bias=not rectified)
        self.spatial_gate = _rectified(nn.BatchNorm2d(1)) if rectified else nn.Identity()
        self.channel_gate = _rectified(nn.BatchNorm1d(shape.channels)) if rectified else nn.Identity()

    def forward(self, fused: Tensor) -> Tensor:
        """Return A, (B, P, C)."""
        plane = fused.mean(dim=2).unflatten(1, (1, self.height, self.width))
        # Zeros on both sides, one more at the end where the size is even.
        left, top = (self.width - 1) // 2, (self.height - 1) // 2
        plane = F.pad(plane, (left, self.width - 1 - left, top, self.height - 1 - top))
        spatial = torch.sigmoid(self.spatial_gate(self.spatial(plane))).flatten(2)
        channel = torch.sigmoid(self.channel_gate(self.channel(fused.mean(dim=1))))
        return spatial.transpose(1, 2) * channel[:, None]


def _norm(wanted: bool, size: int) -> nn.Module:
    return nn.BatchNorm1d(size) if wanted else nn.Identity()


def _rectified(norm: nn.Module) -> nn.Sequential:
    return nn.Sequential(norm, nn.ReLU())
