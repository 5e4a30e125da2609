"""What an index needs of a model, whoever provides it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Vectors: TypeAlias = npt.NDArray[np.float32]
"""(N, D) float32, a row a vector."""


class ModelReference(Protocol):
    """Which model: what an index records of it, and where a worker finds it."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def version(self) -> str:
        """Its version among those of the same name."""

    @property
    def fingerprint(self) -> str:
        """Fingerprint of its content; the index answers only queries of a model with the same one."""

    @property
    def uri(self) -> str:
        """URI from which any worker can open it."""


class Embedder(ModelReference, Protocol):
    """A model that was opened."""

    @property
    def dim(self) -> int:
        """Size D of its vectors."""

    def embed(self, images: Sequence[bytes]) -> Vectors:
        """Return the gallery vectors, (N, D) float32, L2-normalised, of encoded pictures."""

    def compose(self, images: Sequence[bytes], texts: Sequence[str]) -> Vectors:
        """Return the queries, (N, D) float32, L2-normalised, of reference pictures and modification texts."""


OpenEmbedder: TypeAlias = Callable[[str], Embedder]
"""Opens a model by its URI. Must survive pickling, since it is called in Ray's workers."""
