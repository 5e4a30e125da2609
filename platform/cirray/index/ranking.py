"""Exact order among candidate rows, from vectors wherever they are stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cirray.exact import exact_scores
from cirray.index.embedder import Vectors
from cirray.index.scoring import score_margin

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Fetch = Callable[[Rows], Vectors]
"""Returns the stored vectors, (n, D) float32, of n rows."""

_CHUNK = 16_384
"""Rows that are read at once: some megabytes."""


class Ranked(NamedTuple):
    """Rows that were found, best first: by descending score, then by row.

    Attributes:
        rows: (n,) row numbers.
        scores: (n,) exact inner products.
    """

    rows: Rows
    scores: npt.NDArray[np.float64]


NOTHING = Ranked(np.zeros(0, np.int64), np.zeros(0, np.float64))


def rank(fetch: Fetch, query: npt.NDArray[np.float32], rows: Rows, k: int) -> Ranked:
    """Return the best `k` of `rows` by their exact scores; equal ones by row, and so by item id."""
    if not len(rows):
        return NOTHING
    chunks = (rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK))
    scores = np.concatenate([exact_scores(fetch(chunk), query) for chunk in chunks])
    best = np.lexsort((rows, -scores))[:k]
    return Ranked(rows[best], scores[best])


def scan(fetch: Fetch, query: npt.NDArray[np.float32], rows: Rows, k: int) -> Ranked:
    """Return the best `k` of `rows`, after a look at every one of them.

    A first look in float32 leaves those whose exact score may be among the best.
    """
    if len(rows) <= k:
        return rank(fetch, query, rows, k)
    rough = np.concatenate([fetch(rows[start : start + _CHUNK]) @ query for start in range(0, len(rows), _CHUNK)])
    bar = float(np.partition(rough, len(rough) - k)[len(rough) - k]) - score_margin(len(query))
    return rank(fetch, query, rows[rough >= bar], k)
