"""Scores that are the same wherever they are computed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CHUNK_NUMBERS = 2**16
"""Numbers that are multiplied at once: half a megabyte of products, which stays in a core's cache."""


def exact_scores(vectors: Floats, queries: Floats) -> Doubles:
    """Return the inner products, (N,) float64, of `vectors` (N, D) with one query (D,), or each with its own (N, D).

    A product of two float32 is exact in float64. The products are then added by folding the row in half again and
    again: only element-wise additions in a fixed order, so the last bit depends neither on how many rows there are
    nor on the machine, as it does with a matrix product. Equal vectors have equal scores.
    """
    folded = vectors.astype(np.float64) * queries.astype(np.float64)
    while (width := folded.shape[1]) > 1:
        half = width // 2
        summed = folded[:, :half] + folded[:, half : 2 * half]
        if width % 2:
            summed[:, 0] += folded[:, -1]
        folded = summed
    return folded[:, 0]


def exact_pair_scores(queries: Floats, gallery: Floats, of_queries: Ints, of_gallery: Ints) -> Doubles:
    """Return the exact scores, (P,), of P pairs of a query and a gallery item.

    Args:
        queries: (Q, D).
        gallery: (G, D).
        of_queries: (P,) row of each pair's query.
        of_gallery: (P,) row of each pair's item.
    """
    scores = np.empty(len(of_queries), dtype=np.float64)
    for rows in _chunks(len(of_queries), max(1, CHUNK_NUMBERS // max(1, queries.shape[1]))):
        scores[rows] = exact_scores(gallery[of_gallery[rows]], queries[of_queries[rows]])
    return scores


def _chunks(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))
