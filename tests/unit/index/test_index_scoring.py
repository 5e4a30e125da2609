from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirray.exact import exact_scores
from cirray.index.scoring import describe_flaw, score_margin


@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(1, 200))
def test_scores_are_the_exact_sums_of_the_exact_products(seed: int, num_vectors: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(num_vectors, dim)).astype(np.float32)
    query = rng.normal(size=dim).astype(np.float32)
    scores = exact_scores(vectors, query)
    for vector, score in zip(vectors, scores, strict=True):
        exact = math.fsum(float(a) * float(b) for a, b in zip(vector, query, strict=True))
        assert score == pytest.approx(exact, rel=0, abs=1e-13)
    # Bit for bit the same alone, in any company and in any order.
    assert all(exact_scores(vectors[i : i + 1], query)[0] == scores[i] for i in range(num_vectors))
    assert np.array_equal(exact_scores(vectors[::-1], query), scores[::-1])


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 64, 300]))
def test_float32_sums_in_any_order_stay_within_half_the_margin(seed: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    # Signs chosen so that all products are positive: the worst case for rounding.
    vector, query = (np.abs(rng.normal(size=dim)) for _ in range(2))
    vector, query = (v / np.linalg.norm(v) for v in (vector, query))
    vector, query = vector.astype(np.float32), query.astype(np.float32)
    exact = exact_scores(vector[None], query)[0]
    for order in (np.arange(dim), np.argsort(-vector), rng.permutation(dim)):
        one_by_one = np.cumsum((vector * query)[order], dtype=np.float32)[-1]
        assert abs(float(one_by_one) - exact) <= score_margin(dim) / 2


def test_flaws_are_named() -> None:
    good = np.eye(3, dtype=np.float32)
    assert describe_flaw(good) is None
    assert describe_flaw(np.zeros((2, 3), np.float32)) is None
    assert describe_flaw(np.zeros((0, 3), np.float32)) is None
    assert "not finite" in str(describe_flaw(np.array([[0, np.nan]], np.float32)))
    assert "not finite" in str(describe_flaw(np.array([[0, np.inf]], np.float32)))
    assert "length is 2" in str(describe_flaw(2 * good))
