"""How far a figure could be off: by the choice of the queries, or by that of the seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cirray.config import Config
from cirray.errors import ConfigError
from cirray.exact import Doubles, Ints

CONFIDENCE = 0.95

RESAMPLES = 2000
"""Resamples of the queries: the ends of an interval then vary by some hundredths of its width."""

CHUNK = 2**24
"""Counts that are drawn at once."""

Interval = tuple[float, float]


class Spread(Config):
    """What several models of one recipe came to that differ in their seed alone.

    Attributes:
        mean: over the models.
        deviation: standard deviation over the models, with n − 1.
        low: lower end of Student's t interval of the mean.
        high: its upper end.
    """

    mean: float
    deviation: float
    low: float
    high: float


def bootstrap_intervals(values: Mapping[str, Doubles], groups: Sequence[Ints], seed: int = 0) -> dict[str, Interval]:
    """Return the 95 % interval of each metric, in percent, by the percentile bootstrap over queries.

    Queries are drawn anew with replacement, as many in each group as it has; a metric is the mean over the groups of
    the mean over their queries. Instead of the queries themselves, how often each different row of values is drawn is
    drawn, which has the same distribution and costs a fraction: recall at four cutoffs has five different rows.

    Args:
        values: (Q,) of each metric, what each query counts.
        groups: rows of the queries of each category; of all, where there are none.
        seed: of the draws.
    """
    rows = np.stack(list(values.values()), axis=1)
    generator = np.random.default_rng(seed)
    drawn = np.mean([_resampled_means(rows[group], generator) for group in groups], axis=0)
    ends = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return {name: (100 * float(ends[0, at]), 100 * float(ends[1, at])) for at, name in enumerate(values)}


def _resampled_means(rows: Doubles, generator: np.random.Generator) -> Doubles:
    """Return the means (R, M) of resamples of the rows (Q, M)."""
    different, counts = np.unique(rows, axis=0, return_counts=True)
    size = max(1, CHUNK // len(different))
    parts = []
    for start in range(0, RESAMPLES, size):
        drawn = generator.multinomial(len(rows), counts / len(rows), size=min(size, RESAMPLES - start))
        parts.append(drawn @ different / len(rows))
    return np.concatenate(parts)


def spread_of(metrics: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Return mean, deviation and Student's 95 % interval of each metric over several models.

    Raises:
        ConfigError: there is but one.
    """
    # Imported here: it takes a while, and only this needs it.
    from scipy.special import stdtrit

    count = len(metrics)
    if count < 2:
        raise ConfigError(f"The spread over seeds needs two models at least; given was {count}.")
    reach = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) / math.sqrt(count)
    found = {}
    for name in metrics[0]:
        of_models = [each[name] for each in metrics]
        mean, deviation = float(np.mean(of_models)), float(np.std(of_models, ddof=1))
        found[name] = Spread(
            mean=mean, deviation=deviation, low=mean - reach * deviation, high=mean + reach * deviation
        )
    return found
