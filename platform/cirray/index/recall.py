"""How much of what an exact search finds an approximate index finds, and turning its dials until that is enough."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from cirray.index.embed import vectors_of
from cirray.index.kinds import Dials, kinds
from cirray.index.merge import merge
from cirray.index.options import Hit, SearchOptions
from cirray.index.probes import Probes
from cirray.index.shard import Shard

K = 10
"""Recall is measured at this many hits."""

_BATCH = 100
"""Queries that are put to a shard at once."""


def exact_answers(batches: Iterable[pa.Table], dim: int, probes: Probes) -> list[list[Hit]]:
    """Return the exact best `K` items for each probe, by the vectors as the model gave them.

    Args:
        batches: all embedded items, in any order, a part at a time (see `PartEmbedder`).
        dim: size D of the vectors.
        probes: the queries.
    """
    best: list[list[Hit]] = [[] for _ in probes.exclude]
    for batch in batches:
        part = Shard.build(batch, vectors_of(batch), dim).search(probes.queries, K, probes.exclude)
        best = [merge(both, K) for both in zip(best, part, strict=True)]
    return best


def measure_recall(shards: Sequence[Shard], probes: Probes, exact: Sequence[Sequence[Hit]]) -> float:
    """Return recall@10: the mean share of each probe's exact hits that the merged shards find.

    Args:
        shards: all of them, which are searched as a request would search them.
        probes: the queries.
        exact: the answers that should be found; where there are none, nothing is missed.
    """
    shares = []
    for start in range(0, len(exact), _BATCH):
        stop = min(start + _BATCH, len(exact))
        options = [SearchOptions(K, exclude) for exclude in probes.exclude[start:stop]]
        answers = [shard.find(probes.queries[start:stop], options) for shard in shards]
        for wanted, *found in zip(exact[start:stop], *answers, strict=True):
            ids = {hit.item_id for hit in merge([each.hits for each in found], K)}
            shares.append(sum(hit.item_id in ids for hit in wanted) / len(wanted) if wanted else 1.0)
    return float(np.mean(shares)) if shares else 1.0


def reach_recall(
    shards: Sequence[Shard],
    probes: Probes,
    exact: Sequence[Sequence[Hit]],
    kind: str,
    dials: Dials,
    fixed: Dials,
    goal: float,
) -> tuple[Dials, float]:
    """Return dials with which the shards reach a recall, and the recall; the best there are where they do not.

    They start as they are and are raised step by step (twice the width each time, as autofaiss does).

    Args:
        shards: all of them.
        probes: the queries.
        exact: the answers that should be found.
        kind: of the index.
        dials: to start from, settled.
        fixed: those that a person set, which stay as they are.
        goal: the recall.
    """
    while True:
        turned = [replace(shard, base=replace(shard.base, dials=dials)) for shard in shards]
        recall = measure_recall(turned, probes, exact)
        raised = kinds[kind].raised(dials, frozenset(fixed.given()))
        if recall >= goal or raised is None:
            return dials, recall
        dials = raised
