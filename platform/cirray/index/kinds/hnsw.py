"""The graph index: Malkov and Yashunin, Efficient and robust approximate nearest neighbor search, 2016."""

from __future__ import annotations

from typing import Any

import faiss

from cirray.index.kinds.kind import Dials, IndexKind, kinds
from cirray.index.kinds.parameters import hnsw_parameters

WIDEST = 4096
"""Candidates beyond which a graph search takes as long as a look at many more vectors would."""


class Hnsw(IndexKind):
    """Float32 vectors in a navigable graph, which takes memory for its links and long to build."""

    dials = ("links", "ef_construction", "ef_search", "refine")
    width = "ef_search"
    least_rows = 1

    def rule(self, rows: int, dim: int) -> Dials:
        """Return 32 links, as FAISS's guidelines have it, and widths for a recall around 0.95."""
        return Dials(links=32, ef_construction=100, ef_search=64, refine=1)

    def bytes_per_vector(self, dim: int, dials: Dials) -> float:
        """Return the vector's bytes and those of its links: 2 M on the ground floor, few above."""
        return 4.0 * dim + 4.0 * 2 * dials.need("links") * 1.1

    def make(self, rows: int, dim: int, dials: Dials) -> Any:
        """Return an empty `IndexHNSWFlat`."""
        index = faiss.IndexHNSWFlat(dim, dials.need("links"), faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = dials.need("ef_construction")
        return index

    def parameters(self, dials: Dials, selector: Any) -> Any:
        """Return the number of candidates, and the selector."""
        return hnsw_parameters(selector, dials.need("ef_search"))

    def raised(self, dials: Dials, fixed: frozenset[str]) -> Dials | None:
        """Return the dials with twice the candidates."""
        wider = self.widened(dials, 2)
        return None if "ef_search" in fixed or wider == dials else wider

    def widest(self, dials: Dials) -> int:
        """Return the bound on candidates."""
        return WIDEST


kinds.register("hnsw")(Hnsw())
