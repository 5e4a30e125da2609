"""What comes back: the shards' answers, and the one made from them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cirray.index import Shard
from cirray.index.embedder import Vectors


class ItemHit(NamedTuple):
    """An item that was found, with what is shown of it."""

    item_id: str
    score: float
    label: str
    caption: str


@dataclass(frozen=True)
class ShardAnswer:
    """What one shard found for one query.

    Attributes:
        shard: number of the shard.
        hits: its best, by descending score, then by item id.
    """

    shard: int
    hits: list[ItemHit]


@dataclass(frozen=True)
class ShardFailure:
    """That one shard gave no answer.

    Attributes:
        shard: number of the shard.
        reason: why, in a word or two, such as "timeout".
    """

    shard: int
    reason: str


@dataclass(frozen=True)
class RankedHit:
    """A hit of the answer.

    Attributes:
        rank: from 1.
        item_id: the item.
        score: cosine with the query; higher is better.
        label: items of the same label are the same answer.
        caption: of the item.
    """

    rank: int
    item_id: str
    score: float
    label: str
    caption: str


@dataclass(frozen=True)
class Coverage:
    """How much of the index an answer comes from.

    Attributes:
        total: number of shards of the index.
        ok: number of those that answered.
        failures: the others.
    """

    total: int
    ok: int
    failures: tuple[ShardFailure, ...] = ()

    @property
    def ratio(self) -> float:
        """Share of the shards that answered."""
        return self.ok / self.total

    @property
    def degraded(self) -> bool:
        """Whether better hits may be missing, since a shard did not answer."""
        return self.ok < self.total


@dataclass(frozen=True)
class Answer:
    """The answer to a query.

    Attributes:
        hits: best first; equal scores are ordered by item id.
        unknown_words: words of the text that the model never saw, and so did not use.
        coverage: how much of the index was asked.
        index: name of the index.
        index_version: its version.
        timings_ms: milliseconds of "decode" (getting hold of the reference and checking a picture that was sent),
            "compose", "search" (all shards, waiting included), "merge" and "total".
    """

    hits: tuple[RankedHit, ...]
    unknown_words: tuple[str, ...]
    coverage: Coverage
    index: str
    index_version: str
    timings_ms: dict[str, float]


def ask_shard(
    number: int, shard: Shard, queries: Vectors, limit: int, exclude: Sequence[Collection[str]]
) -> list[ShardAnswer]:
    """Return the answers of one shard to several queries at once.

    Args:
        number: of the shard.
        shard: the shard.
        queries: (Q, D) float32, L2-normalised.
        limit: the largest limit among the queries.
        exclude: for each query, ids that must not be among its hits.

    Raises:
        MismatchError: the queries are of another dimension than the shard.
    """
    answers = []
    for hits in shard.search(queries, limit, exclude):
        texts = shard.texts([hit.item_id for hit in hits])
        answers.append(ShardAnswer(number, [ItemHit(*hit, *text) for hit, text in zip(hits, texts, strict=True)]))
    return answers
