"""Indexes of inverted lists: vectors go to the nearest of `nlist` centroids, and `nprobe` lists are searched."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import faiss

from cirray.index.kinds.kind import Dials, IndexKind, kinds
from cirray.index.kinds.parameters import ivf_parameters

TRAINING_POINTS = 39
"""Vectors a list that FAISS wants at least for its centroid."""

SAMPLED_POINTS = 64
"""Vectors a list that the centroids are trained on, where there are so many."""

_LISTED_BYTES = 8
"""Bytes of a vector's row number in its list."""


class Ivf(IndexKind):
    """Inverted lists of vectors, kept as a subclass says."""

    dials = ("nlist", "nprobe", "refine")
    width = "nprobe"
    least_rows = TRAINING_POINTS
    refine: ClassVar[int] = 1

    def rule(self, rows: int, dim: int) -> Dials:
        """Return 4 √n lists to a power of two, as autofaiss has it, and one in 32 of them searched."""
        nlist = 2 ** round(math.log2(max(1.0, 4 * math.sqrt(rows))))
        while nlist > 1 and nlist * TRAINING_POINTS > rows:
            nlist //= 2
        return Dials(nlist=nlist, nprobe=min(nlist, max(4, nlist // 32)), refine=self.refine)

    def training_rows(self, rows: int, dials: Dials) -> int:
        """Return `SAMPLED_POINTS` a list, if there are so many."""
        return min(rows, SAMPLED_POINTS * self._lists(rows, dials))

    def parameters(self, dials: Dials, selector: Any) -> Any:
        """Return the number of lists to search, and the selector."""
        return ivf_parameters(selector, dials.need("nprobe"))

    def raised(self, dials: Dials, fixed: frozenset[str]) -> Dials | None:
        """Return the dials with twice the lists searched; once all are, with twice the candidates scored again."""
        wider = self.widened(dials, 2)
        if "nprobe" not in fixed and wider != dials:
            return wider
        if "refine" in fixed or self.refine == 1 or dials.need("refine") >= 128:
            return None
        return dials.model_copy(update={"refine": 2 * dials.need("refine")})

    def widest(self, dials: Dials) -> int:
        """Return the number of lists."""
        return dials.need("nlist")

    def _lists(self, rows: int, dials: Dials) -> int:
        """Return how many lists a shard of `rows` can train, which a small one has fewer of."""
        return max(1, min(dials.need("nlist"), rows // TRAINING_POINTS))


class IvfFlat(Ivf):
    """Inverted lists of float32 vectors."""

    def bytes_per_vector(self, dim: int, dials: Dials) -> float:
        """Return four bytes a dimension, and the row number."""
        return 4.0 * dim + _LISTED_BYTES

    def make(self, rows: int, dim: int, dials: Dials) -> Any:
        """Return an untrained `IndexIVFFlat`."""
        return faiss.index_factory(dim, f"IVF{self._lists(rows, dials)},Flat", faiss.METRIC_INNER_PRODUCT)


class IvfSq8(Ivf):
    """Inverted lists of vectors at a byte a dimension."""

    refine = 2

    def bytes_per_vector(self, dim: int, dials: Dials) -> float:
        """Return a byte a dimension, and the row number."""
        return float(dim + _LISTED_BYTES)

    def make(self, rows: int, dim: int, dials: Dials) -> Any:
        """Return an untrained scalar quantiser in inverted lists."""
        return faiss.index_factory(dim, f"IVF{self._lists(rows, dials)},SQ8", faiss.METRIC_INNER_PRODUCT)


kinds.register("ivf-flat")(IvfFlat())
kinds.register("ivf-sq8")(IvfSq8())
