"""What evaluation needs of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cirray.datasets.fitting import Fit
from cirray.datasets.pictures import Pixels
from cirray.evaluation.scores import Scorer
from cirray.exact import Floats


class RetrievalModel(Protocol):
    """Embeds pictures, composes queries, and may score pairs of the two; a `Bundle` is one."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of its pictures."""
        ...

    @property
    def image_fit(self) -> Fit:
        """How its pictures are brought to that size."""
        ...

    def embed_pixels(self, pixels: Pixels) -> Floats:
        """Return the gallery vectors (N, D), unit length, of `pixels` (N, H, W, 3)."""
        ...

    def compose_pixels(self, pixels: Pixels, texts: Sequence[str]) -> Floats:
        """Return the queries (N, D), unit length."""
        ...

    @property
    def scorer(self) -> Scorer | None:
        """What scores queries, their texts and gallery vectors, where it is not their dot product."""
        ...
