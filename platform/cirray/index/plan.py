"""How one query is answered under a filter, decided from how many rows pass it."""

from __future__ import annotations

from typing import Literal, TypeAlias

Plan: TypeAlias = Literal["exact-scan", "widened-ann", "ann"]
"""All rows that pass are compared; the index is searched more widely; it is searched as without a filter."""

SCAN_ROWS = 10_000
"""Rows that are compared in a few milliseconds, which a wide search of the index takes too."""

SCAN_SHARE = 0.05
"""Share of passing rows below which an index finds too few: a graph leads past them, and most lists hold none."""

PLAIN_SHARE = 0.5
"""Share of passing rows from which the index need not be searched more widely."""


def plan_of(passing: int, rows: int) -> Plan:
    """Return the plan for a shard of `rows`, `passing` of which may be found. The count is exact, not an estimate."""
    if passing <= SCAN_ROWS or passing <= SCAN_SHARE * rows:
        return "exact-scan"
    return "ann" if passing >= PLAIN_SHARE * rows else "widened-ann"
