"""What comes back: the shards' answers, and the one made from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from cirray.index import Plan, SearchOptions, Shard
from cirray.index.embedder import Vectors

FilterPlan: TypeAlias = Literal["exact-scan", "widened-ann", "ann", "mixed"]
"""How a filter was kept by all shards; mixed where they did it in different ways, since other shares pass there."""


class ItemHit(NamedTuple):
    """An item that was found, with what is shown of it."""

    item_id: str
    score: float
    label: str
    caption: str
    category: str = ""
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShardAnswer:
    """What one shard found for one query.

    Attributes:
        shard: number of the shard.
        hits: its best, by descending score, then by item id.
        plan: how it kept the filter; None where there was none.
        complete: whether fewer hits than asked for mean that it has no others.
    """

    shard: int
    hits: list[ItemHit]
    plan: Plan | None = None
    complete: bool = True


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
        category: of the item; empty where it has none.
        attributes: tags of the item.
    """

    rank: int
    item_id: str
    score: float
    label: str
    caption: str
    category: str = ""
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Coverage:
    """How much of the index an answer comes from.

    Attributes:
        total: number of shards of the index.
        ok: number of those that answered.
        failures: the others.
        filter: how the filter was kept; None where there was none.
        exhausted: whether there are fewer hits than asked for, and no other item that could be one. Not so where a
            shard failed, nor where a least score cut short what an approximate index had found.
    """

    total: int
    ok: int
    failures: tuple[ShardFailure, ...] = ()
    filter: FilterPlan | None = None
    exhausted: bool = False

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


def ask_shard(number: int, shard: Shard, queries: Vectors, options: Sequence[SearchOptions]) -> list[ShardAnswer]:
    """Return the answers of one shard to several queries at once.

    Args:
        number: of the shard.
        shard: the shard.
        queries: (Q, D) float32, L2-normalised.
        options: one for each query.

    Raises:
        QueryError: a query cannot be put to the shard.
        MismatchError: the queries are of another dimension than the shard.
    """
    answers = []
    for found in shard.find(queries, options):
        texts = shard.texts([hit.item_id for hit in found.hits])
        hits = [ItemHit(hit.item_id, hit.score, *text) for hit, text in zip(found.hits, texts, strict=True)]
        answers.append(ShardAnswer(number, hits, found.plan, found.complete))
    return answers


def filter_plan(answers: Iterable[ShardAnswer]) -> FilterPlan | None:
    """Return how all shards together kept the filter."""
    plans = {answer.plan for answer in answers}
    return plans.pop() if len(plans) == 1 else "mixed"
