"""Scores that are the same wherever they are computed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cirray.index.embedder import Vectors

MAX_NORM = 1.001
"""Vectors may be this long. They are L2-normalised in float32, so only rounding can take them above 1."""


def exact_scores(vectors: Vectors, query: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the inner products, (N,) float64, of `vectors` (N, D) with one query (D,).

    A product of two float32 is exact in float64. The products are then added by folding the row in half again and
    again: only element-wise additions in a fixed order, so the last bit depends neither on how many rows there are
    nor on the machine, as it does with a matrix product. Equal vectors have equal scores.
    """
    folded = vectors.astype(np.float64) * query.astype(np.float64)
    while (width := folded.shape[1]) > 1:
        half = width // 2
        summed = folded[:, :half] + folded[:, half : 2 * half]
        if width % 2:
            summed[:, 0] += folded[:, -1]
        folded = summed
    return folded[:, 0]


def score_margin(dim: int) -> float:
    """Return by how much two float32 scores must differ for their exact order to be certain.

    Summing D float32 products in any order is off by at most D · 2⁻²⁴ · ‖q‖ · ‖x‖ to first order (Higham, Accuracy
    and Stability of Numerical Algorithms, §3.1), and a difference of two scores by twice that. The last factor
    covers `MAX_NORM` squared and the terms of higher order.
    """
    return 2 * dim * 2.0**-24 * 1.01


def describe_flaw(vectors: Vectors) -> str | None:
    """Return what keeps `vectors` (N, D) from being compared, or None: they must be finite and L2-normalised."""
    if not np.isfinite(vectors).all():
        return "it has values that are not finite (NaN or infinity)"
    longest = float(np.linalg.norm(vectors.astype(np.float64), axis=1).max(initial=0.0))
    return f"its length is {longest:.4g}, where at most 1 is allowed" if longest > MAX_NORM else None
