"""One ranking out of those of the shards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Protocol, TypeVar


class Scored(Protocol):
    """An item with its score, higher is better."""

    @property
    def item_id(self) -> str:
        """The item."""

    @property
    def score(self) -> float:
        """Its score."""


S = TypeVar("S", bound=Scored)


def merge(per_shard: Iterable[Sequence[S]], k: int) -> list[S]:
    """Return the best `k` of the hits of all shards, by descending score and, where those are equal, by item id.

    This is the ranking of one index that holds all items, if each shard gave its own best `k` in this order. FAISS
    has a merge of its own that must not be used as it comes: its result heap keeps the smallest values, as is
    right for distances, so for inner products it returns the worst hits unless told `keep_max=True`; and it leaves
    the order of equal scores to chance.
    """
    return sorted(chain.from_iterable(per_shard), key=lambda hit: (-hit.score, hit.item_id))[:k]
