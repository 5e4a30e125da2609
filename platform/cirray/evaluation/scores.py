"""Scores of a block of queries with a gallery: approximate ones by the tile, exact ones by the pair."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol as Interface

import numpy as np
import torch
import xxhash
from torch import Tensor

from cirray.errors import DataError
from cirray.exact import Doubles, Floats, Ints, exact_pair_scores

Scorer = Callable[[Floats, Sequence[str], Floats], Floats]
"""From queries (Q, D), their texts, and gallery vectors (G, D) to scores (Q, G); higher is better."""

MAX_SCORE = 1e37
"""Beyond it float32 could overflow."""

TOO_LARGE = "Some scores are too large for float32: the model's vectors should have unit length."

NOT_NUMBERS = "Some scores are not numbers: the model's vectors hold NaN or infinity."


class Scores(Interface):
    """Scores of B queries with G items.

    An approximate score differs from the exact one, less the query's offset, by at most the query's error.
    """

    @property
    def num_items(self) -> int:
        """G."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the approximate scores are."""
        ...

    @property
    def offset(self) -> Doubles:
        """What approximate scores leave out, (B,): the same for all items of a query, so that it orders nothing."""
        ...

    @property
    def error(self) -> Doubles:
        """By how much approximate scores may be off, (B,)."""
        ...

    def near(self, items: slice) -> Tensor:
        """Return the approximate scores (B, n) float32 with some of the items."""
        ...

    def exact(self, of_queries: Ints, of_items: Ints) -> Doubles:
        """Return the exact scores (P,) of pairs of a query of the block and an item."""
        ...


@dataclass(frozen=True)
class Gallery:
    """Gallery vectors, with what bounds the rounding of their dot products.

    Attributes:
        vectors: (G, D).
        device: that multiplies.
    """

    vectors: Floats
    device: torch.device

    @cached_property
    def centre(self) -> Floats:
        """The mean vector (D,).

        Less it, the order of a query's scores is the same, but vectors that lie close together, as those of a model
        that has learnt little do, are short, and so are the errors of their products.
        """
        with np.errstate(invalid="ignore"):
            centre: Floats = self.vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        if not np.isfinite(centre).all():
            raise DataError(NOT_NUMBERS)
        return centre

    @cached_property
    def radius(self) -> float:
        """Length of the longest vector, from the centre."""
        tiles = (self.vectors[at : at + 4096].astype(np.float64) for at in range(0, len(self.vectors), 4096))
        return max(float(np.linalg.norm(tile - self.centre, axis=1).max()) for tile in tiles)

    @cached_property
    def first_like(self) -> Ints:
        """Position (G,) of the first vector that is the same, bit for bit."""
        seen: dict[bytes, int] = {}
        rows = np.ascontiguousarray(self.vectors)
        same = (seen.setdefault(xxhash.xxh3_128_digest(row.data), at) for at, row in enumerate(rows))
        return np.fromiter(same, dtype=np.int64, count=len(rows))

    @cached_property
    def placed_centre(self) -> Tensor:
        """The centre on the device."""
        return torch.from_numpy(self.centre).to(self.device)

    def tile(self, items: slice) -> Tensor:
        """Return some of the vectors (n, D), less the centre, on the device."""
        return torch.from_numpy(self.vectors[items]).to(self.device) - self.placed_centre


class ProductScores:
    """Dot products: approximate ones in float32 by a matrix product, exact ones in float64, in one fixed order."""

    def __init__(self, queries: Floats, gallery: Gallery) -> None:
        if not np.isfinite(queries).all():
            raise DataError(NOT_NUMBERS)
        self._queries, self._gallery = queries, gallery
        self._placed = torch.from_numpy(np.ascontiguousarray(queries)).to(gallery.device)
        self.num_items, self.device = len(gallery.vectors), gallery.device
        self.offset: Doubles = queries.astype(np.float64) @ gallery.centre.astype(np.float64)
        lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
        # Summing D float32 products in any order is off by at most D · 2⁻²⁴ · ‖q‖ · ‖g‖ to first order (Higham,
        # Accuracy and Stability of Numerical Algorithms, §3.1). Of the five more, one is for the rounding of the
        # vectors less their centre, the others and the last factors cover the radius's and the offset's own.
        rounding = 2.0**-24 * 1.01 * (queries.shape[1] + 5)
        scale = gallery.radius + 2.0**-20 * float(np.linalg.norm(gallery.centre.astype(np.float64)))
        self.error: Doubles = rounding * lengths * scale
        if (lengths * scale > MAX_SCORE).any():
            raise DataError(TOO_LARGE)

    def near(self, items: slice) -> Tensor:
        """Return the approximate scores (B, n) with some of the items."""
        with _full_float32():
            return self._placed @ self._gallery.tile(items).T

    def exact(self, of_queries: Ints, of_items: Ints) -> Doubles:
        """Return the exact scores of pairs; copies of a vector are scored once a query."""
        keys = of_queries * self.num_items + self._gallery.first_like[of_items]
        pairs, back = np.unique(keys, return_inverse=True)
        scores = exact_pair_scores(
            self._queries, self._gallery.vectors, pairs // self.num_items, pairs % self.num_items
        )
        return scores[back]


class GivenScores:
    """Scores (B, G) as a scorer gives them; what it gives is exact."""

    def __init__(self, scores: Floats) -> None:
        if not np.isfinite(scores).all():
            raise DataError(NOT_NUMBERS)
        self._scores = scores
        self.num_items, self.device = scores.shape[1], torch.device("cpu")
        self.offset: Doubles = np.zeros(len(scores))
        self.error: Doubles = np.zeros(len(scores))

    def near(self, items: slice) -> Tensor:
        """Return the scores (B, n) with some of the items."""
        return torch.tensor(self._scores[:, items])

    def exact(self, of_queries: Ints, of_items: Ints) -> Doubles:
        """Return the scores of pairs."""
        return self._scores[of_queries, of_items].astype(np.float64)


@contextmanager
def _full_float32() -> Iterator[None]:
    """Multiply in full float32 in the block: what training may prefer has fewer bits than the error allows for."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
