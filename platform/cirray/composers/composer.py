"""The one shape of all composers, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from cirray.config import Choice
from cirray.encoders import ImageFeatures, TextFeatures
from cirray.registry import Registry


class ComposerConfig(Choice):
    """Settings that all composers have.

    Attributes:
        dim: size D of queries and gallery vectors.
    """

    dim: int = Field(512, ge=1)


class Composer(nn.Module, ABC):
    """From a reference and a modification text to a query in the space of the gallery.

    Attributes:
        uses_reference: whether the query depends on the reference picture.
        uses_text: whether the query depends on the text.
        gallery_depends_on_query: whether `embed` would need the text, so that the gallery cannot be embedded
            ahead and the method serves as a re-ranker only.
    """

    Config: ClassVar[type[ComposerConfig]]
    uses_reference: ClassVar[bool] = True
    uses_text: ClassVar[bool] = True
    gallery_depends_on_query: ClassVar[bool] = False

    def __init__(self, config: ComposerConfig, image_channels: tuple[int, ...], text_dim: int) -> None:
        super().__init__()
        self.dim = config.dim

    @abstractmethod
    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries, (B, D); what the method does not use is None."""

    @abstractmethod
    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the gallery vectors, (B, D)."""

    def explain(self, reference: ImageFeatures | None, text: TextFeatures | None) -> dict[str, Tensor]:
        """Return the maps (B, H, W) in 0..1 that show where the method looked; empty where it has none."""
        return {}


composers: Registry[type[Composer]] = Registry("composer")
