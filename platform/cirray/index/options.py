"""What one query asks of every shard besides its vector, and what a shard answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from cirray.errors import QueryError
from cirray.index.filters import Filter
from cirray.index.kinds import kinds
from cirray.index.plan import Plan


@dataclass(frozen=True)
class SearchOptions:
    """How a query is to be answered.

    Attributes:
        k: hits at most.
        exclude: ids that must not be among them; ids of other shards do no harm.
        filter: which items may be; None lets all pass.
        min_score: the least score of a hit.
        exact: whether every item is to be compared, whatever the kind of index.
        nprobe: lists to search, in place of the index's own number.
        ef: candidates of the graph search, in place of the index's own number.
    """

    k: int
    exclude: Collection[str] = ()
    filter: Filter | None = None
    min_score: float | None = None
    exact: bool = False
    nprobe: int | None = None
    ef: int | None = None

    def width(self, dial: str) -> int | None:
        """Return what is asked for the dial of this name."""
        return {"nprobe": self.nprobe, "ef_search": self.ef}.get(dial)


def check_width(kind: str, nprobe: int | None, ef: int | None) -> None:
    """Make sure that a kind of index has the dials that a query sets.

    Raises:
        QueryError: it has not.
    """
    own = {"nprobe": "nprobe", "ef_search": "ef"}.get(kinds[kind].width)
    for name, given in (("nprobe", nprobe), ("ef", ef)):
        if given is not None and name != own:
            has = f"it has {own}" if own else "it compares every item"
            raise QueryError(f"The index is of kind {kind}, which has no {name}; {has}.", hint=f"Leave {name} out.")


class Hit(NamedTuple):
    """An item that was found.

    Attributes:
        item_id: the item.
        score: inner product with the query, which is the cosine; higher is better.
    """

    item_id: str
    score: float


@dataclass(frozen=True)
class Found:
    """What a shard found for one query.

    Attributes:
        hits: best first, by descending exact score, then by item id.
        plan: how they were found; None where nothing was filtered.
        complete: whether fewer hits than asked for mean that no further item passes.
    """

    hits: list[Hit]
    plan: Plan | None
    complete: bool
