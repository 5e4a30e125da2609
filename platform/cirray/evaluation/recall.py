"""Recall at k."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cirray.evaluation.ranking import Ints


def recall_at(ranks: Ints, cutoffs: Iterable[int]) -> dict[str, float]:
    """Return, for each k, the share in percent of queries with a right answer among the first k: {"R@1": …}.

    Args:
        ranks: (Q,) rank from 1 of each query's first right answer.
        cutoffs: values of k.
    """
    return {f"R@{k}": 100 * float(np.mean(ranks <= k)) if len(ranks) else 0.0 for k in cutoffs}
