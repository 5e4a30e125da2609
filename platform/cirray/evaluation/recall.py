"""What each query counts towards recall at k, and towards mean average precision at k."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from cirray.exact import Doubles, Ints


def recalled_at(ranks: Ints, cutoffs: Iterable[int], name: str = "R") -> dict[str, Doubles]:
    """Return, for each k, 1 for the queries with a right answer among the first k, and 0 for others: {"R@1": …}.

    Their mean is the recall at k.

    Args:
        ranks: (Q,) rank from 1 of each query's first right answer.
        cutoffs: values of k.
        name: of the metric.
    """
    return {f"{name}@{k}": (ranks <= k).astype(np.float64) for k in cutoffs}


def average_precisions_at(ranks: Sequence[Ints], cutoffs: Iterable[int]) -> dict[str, Doubles]:
    """Return, for each k, the average precision at k of each query: {"mAP@5": …}, after the name of their mean.

    With R right answers of a query, of which the i-th in the ranking has rank r_i,

        AP@k = 1 / min(R, k) · Σ_{i: r_i ≤ k} i / r_i

    as CIRCO has it (Baldrati et al., "Zero-Shot Composed Image Retrieval with Textual Inversion", ICCV 2023). A query
    without a right answer counts as 0.

    Args:
        ranks: of each query's right answers, from 1 and ascending; those behind the largest k may be anything above.
        cutoffs: values of k.
    """
    return {f"mAP@{k}": np.array([_average_precision(of_query, k) for of_query in ranks]) for k in cutoffs}


def _average_precision(ranks: Ints, k: int) -> float:
    if not len(ranks):
        return 0.0
    precisions = np.arange(1, len(ranks) + 1) / ranks
    return float(precisions[ranks <= k].sum() / min(len(ranks), k))
