"""Two models on the same queries: which is better, and by how much for certain."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from cirray.config import Config
from cirray.errors import MismatchError
from cirray.evaluation.intervals import bootstrap_intervals
from cirray.evaluation.outcomes import groups_of, mean_metrics, metrics_of, outcome_values
from cirray.evaluation.protocol import Protocol
from cirray.exact import Doubles, Ints


class McNemar(Config):
    """The exact McNemar test of a metric by which a query is found or not, over all queries alike.

    Attributes:
        only_first: queries that only the first model found.
        only_second: queries that only the second model found.
        p_value: two-sided; how likely so uneven a division, or a more uneven one, would be between equal models.
    """

    only_first: int
    only_second: int
    p_value: float


class Difference(Config):
    """One metric of two models.

    Attributes:
        first: of the first model, in percent.
        second: of the second model, in percent.
        difference: second less first.
        low: lower end of the 95 % interval of the difference, by the paired bootstrap over queries.
        high: its upper end.
        mcnemar: its test, where a query is found or not.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    mcnemar: McNemar | None = None

    @property
    def is_certain(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def compare_outcomes(first: pa.Table, second: pa.Table, protocol: Protocol) -> dict[str, Difference]:
    """Return the difference of two models by metric.

    Each query is drawn with both its outcomes, so that what makes a query hard for both models does not blur the
    difference between them.

    Args:
        first: outcomes of the first model.
        second: outcomes of the second model, of the same queries.
        protocol: of both.

    Raises:
        MismatchError: they are of other queries.
    """
    same = ["query_id", "reference_id", "text", "target_id"]
    if not first.select(same).equals(second.select(same)):
        raise MismatchError("The two evaluations are of different queries.", hint="Evaluate both models again.")
    before, after = outcome_values(first, protocol), outcome_values(second, protocol)
    groups = list(groups_of(first, protocol).values())
    of_first, of_second = (mean_metrics([metrics_of(values, rows) for rows in groups]) for values in (before, after))
    ends = bootstrap_intervals({name: after[name] - before[name] for name in before}, groups)
    return {
        name: Difference(
            first=of_first[name],
            second=of_second[name],
            difference=of_second[name] - of_first[name],
            low=ends[name][0],
            high=ends[name][1],
            mcnemar=_mcnemar(before[name], after[name]),
        )
        for name in before
    }


def changed_queries(first: pa.Table, second: pa.Table) -> tuple[Ints, Ints]:
    """Return the rows of the queries that gained and of those that lost rank from first to second, most first.

    A change counts by its ratio: from rank 50 to rank 1 is more than from 5,000 to 4,000.
    """
    ranks = [np.array(each["rank"].fill_null(0).to_numpy(), dtype=np.float64) for each in (first, second)]
    ranked = (ranks[0] > 0) & (ranks[1] > 0)
    change = np.zeros(len(ranked))
    change[ranked] = np.log(ranks[1][ranked]) - np.log(ranks[0][ranked])
    order = np.argsort(change, kind="stable")
    return order[change[order] < 0], order[::-1][change[order[::-1]] > 0]


def _mcnemar(first: Doubles, second: Doubles) -> McNemar | None:
    if not np.isin(np.concatenate([first, second]), (0, 1)).all():
        return None
    # Imported here: it takes a second, and only this needs it.
    from scipy.stats import binomtest

    only_first, only_second = int(np.sum(first > second)), int(np.sum(second > first))
    differing = only_first + only_second
    p_value = float(binomtest(only_second, differing).pvalue) if differing else 1.0
    return McNemar(only_first=only_first, only_second=only_second, p_value=p_value)
