"""What keeps vectors from being compared, and how far float32 can be trusted to compare them."""

from __future__ import annotations

import numpy as np

from cirray.index.embedder import Vectors

MAX_NORM = 1.001
"""Vectors may be this long. They are L2-normalised in float32, so only rounding can take them above 1."""


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
