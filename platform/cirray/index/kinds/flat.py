"""The exact index: every vector is compared."""

from __future__ import annotations

from typing import Any

import faiss

from cirray.index.kinds.kind import Dials, IndexKind, kinds
from cirray.index.kinds.parameters import flat_parameters


class Flat(IndexKind):
    """All vectors as float32, one after the other; answers are exact, and cost a look at each."""

    def rule(self, rows: int, dim: int) -> Dials:
        """Return no dials: it has none."""
        return Dials()

    def bytes_per_vector(self, dim: int, dials: Dials) -> float:
        """Return four bytes a dimension."""
        return 4.0 * dim

    def make(self, rows: int, dim: int, dials: Dials) -> Any:
        """Return an empty `IndexFlatIP`."""
        return faiss.IndexFlatIP(dim)

    def parameters(self, dials: Dials, selector: Any) -> Any:
        """Return parameters that hold nothing but the selector."""
        return flat_parameters(selector)


kinds.register("flat")(Flat())
