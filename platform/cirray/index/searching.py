"""A search in one shard: filter, plan, search, and never an answer that is short without need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cirray.index.embedder import Vectors
from cirray.index.options import Found, Hit, SearchOptions
from cirray.index.plan import Plan, plan_of
from cirray.index.ranking import Mask, Ranked, Rows

if TYPE_CHECKING:
    from cirray.index.shard import Shard


def find(shard: Shard, queries: Vectors, options: Sequence[SearchOptions], alive: Mask | None) -> list[Found]:
    """Return what is found for each query; those that ask alike are searched for together.

    Args:
        shard: in which.
        queries: (Q, D) float32, L2-normalised.
        options: one for each query.
        alive: (N,) rows that may be found at all; None lets all.
    """
    found: dict[int, Found] = {}
    for places in _alike(options):
        asked = options[places[0]]
        barred = [shard.rows_of(options[place].exclude) for place in places]
        answers = _find_alike(shard, queries[places], asked, barred, _allowed(shard, asked, alive))
        found.update(zip(places, answers, strict=True))
    return [found[place] for place in range(len(options))]


def _alike(options: Sequence[SearchOptions]) -> Iterable[list[int]]:
    """Return the places of queries whose options differ at most in what they exclude."""
    groups: dict[object, list[int]] = {}
    for place, asked in enumerate(options):
        written = None if asked.filter is None else asked.filter.model_dump_json(by_alias=True)
        key = (asked.k, written, asked.min_score, asked.exact, asked.nprobe, asked.ef)
        groups.setdefault(key, []).append(place)
    return groups.values()


def _allowed(shard: Shard, asked: SearchOptions, alive: Mask | None) -> Mask | None:
    if asked.filter is None:
        return alive
    passing = shard.passing(asked.filter)
    return passing if alive is None else passing & alive


def _find_alike(
    shard: Shard, queries: Vectors, asked: SearchOptions, barred: Sequence[Rows], allowed: Mask | None
) -> list[Found]:
    base = shard.base
    rows = len(base)
    passing = rows if allowed is None else int(np.count_nonzero(allowed))
    plan: Plan = "ann" if allowed is None else plan_of(passing, rows)
    if base.is_flat or asked.exact or plan == "exact-scan":
        ranked = base.exact(queries, asked.k, barred, allowed)
        return [_found(shard, asked, each, "exact-scan") for each in ranked]
    dials = base.dials
    if (width := asked.width(base.kind.width)) is not None:
        dials = dials.model_copy(update={base.kind.width: min(width, base.kind.widest(dials))})
    if plan == "widened-ann":
        dials = base.kind.widened(dials, rows / passing)
    ranked = base.approximate(queries, asked.k, barred, allowed, dials)
    return [
        _found(shard, asked, each, plan)
        if len(each.rows) == min(asked.k, passing - _count(own, allowed))
        else _found(shard, asked, base.exact(queries[place : place + 1], asked.k, [own], allowed)[0], "exact-scan")
        for place, (each, own) in enumerate(zip(ranked, barred, strict=True))
    ]


def _count(barred: Rows, allowed: Mask | None) -> int:
    """Return how many of the barred rows would otherwise be allowed."""
    return len(barred) if allowed is None else int(np.count_nonzero(allowed[barred]))


def _found(shard: Shard, asked: SearchOptions, ranked: Ranked, plan: Plan) -> Found:
    hits = [
        Hit(shard.item_ids[row], score)
        for row, score in zip(ranked.rows.tolist(), ranked.scores.tolist(), strict=True)
    ]
    kept = hits if asked.min_score is None else [hit for hit in hits if hit.score >= asked.min_score]
    # An index that was not searched whole may have passed over others above the bar.
    complete = plan == "exact-scan" or len(kept) == len(hits)
    return Found(kept, plan if asked.filter is not None else None, complete)
