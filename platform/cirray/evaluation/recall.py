"""Recall at k, and mean average precision at k."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from cirray.evaluation.ranking import Ints


def recall_at(ranks: Ints, cutoffs: Iterable[int], name: str = "R") -> dict[str, float]:
    """Return, for each k, the share in percent of queries with a right answer among the first k: {"R@1": …}.

    Args:
        ranks: (Q,) rank from 1 of each query's first right answer.
        cutoffs: values of k.
        name: of the metric.
    """
    return {f"{name}@{k}": 100 * float(np.mean(ranks <= k)) if len(ranks) else 0.0 for k in cutoffs}


def mean_average_precision_at(ranks: Sequence[Ints], cutoffs: Iterable[int]) -> dict[str, float]:
    """Return, for each k, the mean over the queries of the average precision at k, in percent: {"mAP@5": …}.

    With R right answers of a query, of which the i-th in the ranking has rank r_i,

        AP@k = 1 / min(R, k) · Σ_{i: r_i ≤ k} i / r_i

    as CIRCO has it (Baldrati et al., "Zero-Shot Composed Image Retrieval with Textual Inversion", ICCV 2023). A query
    without a right answer counts as 0.

    Args:
        ranks: of each query's right answers, from 1 and ascending.
        cutoffs: values of k.
    """
    return {f"mAP@{k}": 100 * float(np.mean([_average_precision(r, k) for r in ranks] or [0.0])) for k in cutoffs}


def _average_precision(ranks: Ints, k: int) -> float:
    if not len(ranks):
        return 0.0
    precisions = np.arange(1, len(ranks) + 1) / ranks
    return float(precisions[ranks <= k].sum() / min(len(ranks), k))
