"""What each query of an evaluation came to, and the metrics that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cirray.evaluation.protocol import Protocol
from cirray.evaluation.ranking import NEVER, NOTHING, Ranking
from cirray.evaluation.recall import recalled_at
from cirray.exact import Doubles, Ints

Metrics = dict[str, float]

HITS = 10
"""Of the best items of each query, how many are kept."""

OUTCOMES = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("reference_id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("target_id", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("rank", pa.int64()),
        pa.field("subset_rank", pa.int64()),
        pa.field("precisions", pa.list_(pa.float64()), nullable=False),
        pa.field("hits", pa.list_(pa.string()), nullable=False),
        pa.field("right", pa.list_(pa.bool_()), nullable=False),
    ]
)
"""One query a row, in the order of the protocol's query sets.

`rank` is that of the first right answer, from 1, and null where the gallery has none; `subset_rank` that among the
query's subset. `precisions` are the average precisions at the protocol's `map_cutoffs`. `hits` are the ids of the
first items, or where pictures are classified the first texts, and `right` says which of them answer the query.
"""


def tabulate(
    queries: Sequence[Mapping[str, str]],
    answers: Sequence[Ints],
    ranking: Ranking,
    names: npt.NDArray[np.object_],
    precisions: Mapping[str, Doubles],
) -> pa.Table:
    """Return what queries came to, schema `OUTCOMES`.

    Args:
        queries: of each query the columns that were known before it was ranked.
        answers: gallery positions of its right answers.
        ranking: of the queries.
        names: (G,) of the gallery items.
        precisions: (Q,) average precisions by metric.
    """
    rows: list[dict[str, Any]] = []
    for number, query in enumerate(queries):
        hits = ranking.hits[number, :HITS]
        hits = hits[hits != NOTHING]
        rows.append(
            {
                "target_id": "",
                "category": "",
                **query,
                "rank": _rank_or_none(ranking.ranks[number]),
                "subset_rank": _rank_or_none(ranking.subset_ranks[number]),
                "precisions": [float(of_queries[number]) for of_queries in precisions.values()],
                "hits": names[hits].tolist(),
                "right": np.isin(hits, answers[number]).tolist(),
            }
        )
    return pa.Table.from_pylist(rows, schema=OUTCOMES)


def outcome_values(outcomes: pa.Table, protocol: Protocol) -> dict[str, Doubles]:
    """Return what each query counts towards each metric, (Q,) from 0 to 1, and under "mean" towards the headline."""
    values = recalled_at(_ranks(outcomes, "rank"), protocol.cutoffs, "accuracy" if protocol.candidates else "R")
    if protocol.subset_cutoffs:
        values |= recalled_at(_ranks(outcomes, "subset_rank"), protocol.subset_cutoffs, "R_subset")
    precisions = np.array(outcomes["precisions"].to_pylist(), dtype=np.float64)
    values |= {f"mAP@{k}": precisions[:, place] for place, k in enumerate(protocol.map_cutoffs)}
    return values | {"mean": np.mean([values[name] for name in protocol.headline], axis=0)}


def groups_of(outcomes: pa.Table, protocol: Protocol) -> dict[str, Ints]:
    """Return the rows of the queries that have metrics of their own together, by category."""
    if protocol.by_category == "no":
        return {"": np.arange(outcomes.num_rows)}
    categories = np.array(outcomes["category"].to_pylist(), dtype=object)
    return {str(category): np.flatnonzero(categories == category) for category in sorted(set(categories))}


def metrics_of(values: Mapping[str, Doubles], rows: Ints) -> Metrics:
    """Return the means over some of the queries, in percent."""
    return {name: 100 * float(of_queries[rows].mean()) for name, of_queries in values.items()}


def mean_metrics(metrics: Sequence[Metrics]) -> Metrics:
    """Return the means over categories."""
    return {name: float(np.mean([values[name] for values in metrics])) for name in metrics[0]}


def _ranks(outcomes: pa.Table, column: str) -> Ints:
    return np.array(outcomes[column].fill_null(int(NEVER)).to_numpy(), dtype=np.int64)


def _rank_or_none(rank: np.int64) -> int | None:
    return int(rank) if rank != NEVER else None
