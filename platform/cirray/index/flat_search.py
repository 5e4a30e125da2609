"""Exact search in a flat FAISS index, the same however a gallery is cut into shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cirray.index.embedder import Vectors
from cirray.index.kinds.parameters import flat_parameters, selector_of
from cirray.index.ranking import NOTHING, Mask, Ranked, Rows, rank
from cirray.index.scoring import score_margin

EXTRA = 16
"""Candidates beyond those asked for that a first search fetches, so that few ties need a second one."""


def search_flat(index: Any, queries: Vectors, k: int, barred: Sequence[Rows], allowed: Mask | None) -> list[Ranked]:
    """Return the best `k` rows for each query, by descending exact score, then by row.

    FAISS scores in float32, with last bits that depend on the shapes of index and batch, and breaks ties as it
    likes. So it only proposes candidates: more and more of them, until the worst one lies so far below the
    k-th that nothing behind it can belong to the answer. Those near or above the k-th are then scored exactly
    and ordered. The answer hence depends on the items alone, not on how they are cut into shards.

    Args:
        index: FAISS index that holds the vectors as they are.
        queries: (Q, D) float32, L2-normalised.
        k: rows for each query; fewer come where fewer may be found.
        barred: for each query, rows that must not be found.
        allowed: (N,) rows that may be found by any of them; None allows all.
    """
    found = [NOTHING] * len(queries)
    num_allowed = int(index.ntotal if allowed is None else np.count_nonzero(allowed))
    waiting = list(range(len(queries))) if num_allowed else []
    parameters = None if allowed is None else flat_parameters(selector_of(allowed))
    fetch = k + max(map(len, barred), default=0) + max(k, EXTRA)
    while waiting:
        fetch = min(fetch, num_allowed)
        batch = np.ascontiguousarray(queries[waiting], dtype=np.float32)
        scores, rows = index.search(batch, fetch, params=parameters)
        unsettled = []
        for query, query_scores, query_rows in zip(waiting, scores, rows, strict=True):
            candidates = _settle(query_scores, query_rows, k, barred[query], num_allowed, index.d)
            if candidates is None:
                unsettled.append(query)
            else:
                found[query] = rank(index.reconstruct_batch, queries[query], candidates, k)
        waiting, fetch = unsettled, 4 * fetch
    return found


def _settle(
    scores: npt.NDArray[np.float32], rows: Rows, k: int, barred: Rows, num_allowed: int, dim: int
) -> Rows | None:
    """Return the rows among which the best `k` are for certain, or None where more must be fetched."""
    worst, is_all = float(scores[-1]), len(rows) == num_allowed
    if len(barred):
        kept = ~np.isin(rows, barred)
        scores, rows = scores[kept], rows[kept]
    if len(rows) <= k:
        # More than k and the barred were asked for, so there are no others.
        return rows
    bar = float(scores[k - 1]) - score_margin(dim)
    return rows[scores >= bar] if worst < bar or is_all else None
