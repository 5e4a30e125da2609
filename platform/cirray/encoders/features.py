"""What encoders give to composers, and the sizes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from cirray.errors import ConfigError


class MapShape(NamedTuple):
    """Size of one feature map."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class ImageShape:
    """Sizes of `ImageFeatures`.

    Attributes:
        maps: of each map, from the finest level to the coarsest.
        pooled: C of the pooled vector.
    """

    maps: tuple[MapShape, ...]
    pooled: int

    def level(self, number: int) -> MapShape:
        """Return the size of one map; −1 is the coarsest level, −2 the one before it.

        Raises:
            ConfigError: the encoder has no such level.
        """
        if not -len(self.maps) <= number < 0:
            raise ConfigError(
                f"Level {number} was asked of an image encoder that has the levels "
                f"{', '.join(str(level) for level in range(-len(self.maps), 0))}.",
                hint="Set the level or levels of model.composer to these, or model.image_encoder to one with more.",
            )
        return self.maps[number]


@dataclass(frozen=True)
class ImageFeatures:
    """A batch of encoded pictures.

    Attributes:
        maps: feature maps (B, C_l, H_l, W_l), from the finest level to the coarsest.
        pooled: (B, C) one vector a picture; with most encoders the coarsest map averaged over its positions.
    """

    maps: tuple[Tensor, ...]
    pooled: Tensor


@dataclass(frozen=True)
class TextShape:
    """Sizes of `TextFeatures`.

    Attributes:
        words: W of the word vectors.
        states: S of the token states.
        sentence: T of the sentence vector.
    """

    words: int
    states: int
    sentence: int


@dataclass(frozen=True)
class TextFeatures:
    """A batch of encoded texts.

    Attributes:
        words: (B, L, W) one vector a token, whatever stands beside it; zero where there is no token.
        states: (B, L, S) one state a token, in its context; zero where there is no token.
        mask: (B, L) bool, true where there is a token.
        sentence: (B, T) one vector a text.
        second: the same texts by the composer's second encoder, if it has one for them.
    """

    words: Tensor
    states: Tensor
    mask: Tensor
    sentence: Tensor
    second: TextFeatures | None = None
