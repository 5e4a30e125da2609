"""What is left out of a dataset: each with its reason, none silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

import pyarrow as pa

from cirray.datasets.schema import REJECTS
from cirray.errors import DataError

EMPTY_ID = "empty-id"
EMPTY_LABEL = "empty-label"
DUPLICATE_ID = "duplicate-id"
MISSING_FILE = "missing-file"
EMPTY_FILE = "empty-file"
TRUNCATED = "truncated"
NOT_AN_IMAGE = "not-an-image"
TOO_LARGE = "too-large"
UNDECODABLE = "undecodable"
CRASHES_DECODER = "crashes-decoder"
DUPLICATE_OF_OTHER_SPLIT = "duplicate-of-other-split"
EMPTY_TEXT = "empty-text"
TEXT_WITHOUT_WORDS = "text-without-words"
UNKNOWN_REFERENCE = "unknown-reference"
UNKNOWN_TARGET = "unknown-target"
UNKNOWN_SUBSET = "unknown-subset"
REJECTED_ITEM = "rejected-item"

OF_PICTURES = frozenset({TRUNCATED, NOT_AN_IMAGE, TOO_LARGE, UNDECODABLE, CRASHES_DECODER, DUPLICATE_OF_OTHER_SPLIT})
"""Reasons for which an item is left out that only its picture can tell; the first four are `BadImageError.reason`."""

_EXAMPLES = 3
_SHOWN = 400


class Reject(NamedTuple):
    """One row of `rejects.parquet`.

    Attributes:
        kind: of what was rejected.
        id: item id or query id; may be empty, where that is the reason.
        reason: one of this module's constants.
        detail: what exactly was wrong, for people.
    """

    kind: Literal["item", "triplet"]
    id: str
    reason: str
    detail: str


def rejects_table(rejects: Iterable[Reject]) -> pa.Table:
    """Return `rejects` as a table of schema `REJECTS`, in an order that does not depend on theirs."""
    rows = sorted(rejects)
    return pa.Table.from_pylist([reject._asdict() for reject in rows], schema=REJECTS)


def rejects_of(table: pa.Table) -> list[Reject]:
    """Return the rows of a table of schema `REJECTS`."""
    return [Reject(**row) for row in table.to_pylist()]


def count_reasons(rejects: Iterable[Reject]) -> dict[str, int]:
    """Return how many were rejected for each reason, the most frequent first."""
    counts = Counter(reject.reason for reject in rejects)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def check_share(rejects: Iterable[Reject], totals: dict[str, int], max_share: float) -> None:
    """Make sure that not too much was rejected, and that some item is left.

    Args:
        rejects: all of them. Those that were asked for, as duplicates of another split, do not count.
        totals: rows that the source had, by kind ("item", "triplet").
        max_share: the largest share of each kind that may be rejected.

    Raises:
        DataError: more was, or every item; the message has the counts by reason and examples.
    """
    by_kind: dict[str, list[Reject]] = {kind: [] for kind in totals}
    for reject in sorted(rejects):
        if reject.reason != DUPLICATE_OF_OTHER_SPLIT:
            by_kind[reject.kind].append(reject)
    if len(by_kind["item"]) == totals["item"]:
        raise DataError(f"None of the {totals['item']:,} items can be used: {_summary(by_kind['item'])}")
    over = [kind for kind, found in by_kind.items() if len(found) / max(totals[kind], 1) > max_share]
    if over:
        shares = " and ".join(f"{len(by_kind[kind]):,} of {totals[kind]:,} {kind}s" for kind in over)
        found = [reject for kind in over for reject in by_kind[kind]]
        raise DataError(
            f"{shares} were rejected, where a share of {max_share:g} is allowed: {_summary(found)}",
            hint="Mend the source, or raise max_reject_share.",
        )


def _summary(rejects: list[Reject]) -> str:
    """Describe how many were rejected for each reason, with the first few of each."""
    counts = count_reasons(rejects)
    shown: list[str] = []
    for reason in counts:
        some = [reject for reject in rejects if reject.reason == reason][:_EXAMPLES]
        shown += [f"{r.kind} {r.id[:_SHOWN]!r} ({reason}: {r.detail[:_SHOWN]})" for r in some]
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in counts.items())
    return f"{reasons}. The first: {'; '.join(shown)}."
