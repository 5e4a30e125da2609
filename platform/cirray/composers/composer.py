"""The one shape of all composers, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from torch import Tensor, nn

from cirray.config import Choice
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape
from cirray.errors import ConfigError
from cirray.registry import Registry


class ComposerConfig(Choice):
    """Settings that all composers have: none but the name."""


class VectorConfig(ComposerConfig):
    """Settings of composers whose vectors have a size of their own choice.

    Attributes:
        dim: size D of queries and gallery vectors.
    """

    dim: int = Field(512, ge=1)


@dataclass(frozen=True)
class Paper:
    """Where a method was published.

    Attributes:
        authors: as one cites them, "Vo et al.".
        title: of the paper.
        venue: where it appeared.
        year: when.
    """

    authors: str
    title: str
    venue: str
    year: int


class Composer(nn.Module, ABC):
    """From a reference and a modification text to a query in the space of the gallery.

    What a text with unseen words gives is decided before the composer: the vocabulary drops them, or keeps them as
    one unknown word; a text without any known word is that one word.

    What a method uses, needs and explains is said by its class. One that wears others, such as `Joint`, says it anew
    for each of its objects: ask the object where there is one.

    Attributes:
        paper: that the method is from.
        uses_reference: whether the query depends on the reference picture.
        uses_text: whether the query depends on the text.
        reads_words_only: whether of the text it reads the word vectors and nothing else, so that a text encoder that
            has weights behind them is refused.
        rescores: whether how well a gallery item fits also depends on the query's text, so that `rescore` is more
            than the cosine and the method serves as a re-ranker only.
        describes: whether `describe` places descriptions of whole pictures among the gallery's vectors.
        second_encoder: what a second text encoder, with the settings of the first, is there for: nothing, another
            view of the query's text (`TextFeatures.second`), or the descriptions.
        needs: what the method needs beyond a reference and a text, in words, for people who choose one.
        explains: names of the maps that `explain` returns.
        dim: size D of queries and gallery vectors.
        parts: sizes of the parts that these vectors are made of, one after another.
    """

    Config: ClassVar[type[ComposerConfig]]
    paper: ClassVar[Paper]
    uses_reference: bool = True
    uses_text: bool = True
    reads_words_only: bool = False
    rescores: ClassVar[bool] = False
    describes: ClassVar[bool] = False
    second_encoder: ClassVar[Literal["none", "query", "descriptions"]] = "none"
    needs: tuple[str, ...] = ()
    explains: tuple[str, ...] = ()
    parts: tuple[int, ...]

    def __init__(self, config: Any, image: ImageShape, text: TextShape) -> None:
        super().__init__()

    @property
    def dim(self) -> int:
        """Size D of queries and gallery vectors."""
        return sum(self.parts)

    @abstractmethod
    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries, (B, D); what the method does not use is None."""

    @abstractmethod
    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the gallery vectors, (B, D)."""

    def describe(self, text: TextFeatures) -> Tensor:
        """Return the vectors (B, D), in the gallery's space, of texts that describe whole pictures.

        Raises:
            ConfigError: the method has no place for descriptions.
        """
        raise ConfigError(
            f"Composer {type(self).__name__} has no vectors for descriptions of whole pictures.",
            hint="Leave out the loss that compares them, or choose a composer that has them.",
        )

    def rescore(self, queries: Tensor, text: TextFeatures | None, gallery: Tensor) -> Tensor:
        """Return how well each gallery item fits each query, (B, N); higher is better.

        Args:
            queries: (B, D) as `compose` gives them; their length does not matter.
            text: the queries' texts.
            gallery: (N, D) as `embed` gives them; their length does not matter.
        """
        return F.normalize(queries, dim=1) @ F.normalize(gallery, dim=1).T

    def explain(self, reference: ImageFeatures | None, text: TextFeatures | None) -> dict[str, Tensor]:
        """Return the maps (B, H, W) in 0..1 that show where the method looked, by the names in `explains`."""
        return {}


composers: Registry[type[Composer]] = Registry("composer")
