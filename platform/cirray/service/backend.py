"""What the HTTP API stands on: an engine, the gallery, and shards that may be anywhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from cirray.errors import CirrayError
from cirray.index import SearchOptions, Shard
from cirray.index.embedder import Vectors
from cirray.search import (
    Answer,
    ComposedQuery,
    PreparedQuery,
    Query,
    SearchEngine,
    ShardAnswer,
    ShardFailure,
    ask_shard,
)
from cirray.service.batcher import Batcher
from cirray.service.fanout import Answers, ask_all
from cirray.service.gallery import Gallery
from cirray.service.meters import Meters, NoMeters, record_answer
from cirray.service.refusals import DeadlineExceededError, InsufficientCoverageError, OverloadedError
from cirray.service.schemas import IndexDescription, ShardState

SHARDS_SHARE = 0.8
"""Share of the time left that the shards get; the rest is for merging and sending what they found."""

PROBE_TIMEOUT_S = 1.0

T = TypeVar("T")


class ShardClient(Protocol):
    """A shard, wherever it is."""

    async def ask(self, version: str, queries: Vectors, options: Sequence[SearchOptions]) -> list[ShardAnswer]:
        """Return its answers to queries (Q, D) with their options, if it is of this version of the index.

        Raises:
            ShardFaultError: it cannot answer.
        """

    async def probe(self, version: str) -> None:
        """Return if it would answer.

        Raises:
            ShardFaultError: it would not.
        """


@dataclass(frozen=True)
class LocalShard:
    """A shard in this very process."""

    number: int
    shard: Shard

    async def ask(self, version: str, queries: Vectors, options: Sequence[SearchOptions]) -> list[ShardAnswer]:
        """Return its answers; there is no version but its own."""
        return await asyncio.to_thread(ask_shard, self.number, self.shard, queries, options)

    async def probe(self, version: str) -> None:
        """Return at once."""


class Backend:
    """Answers queries within a time limit, from as many shards as answer.

    Args:
        engine: composes the queries and assembles the answers.
        gallery: of the index's split.
        shards: number i is shard i of the engine's index version.
        default_timeout_ms: time for a search that does not say how long it may take.
        min_coverage: share of the shards that must have answered for an answer to be given.
        max_batch: queries that are composed together at most.
        meters: what is measured goes there.
    """

    def __init__(
        self,
        engine: SearchEngine,
        gallery: Gallery,
        shards: Sequence[ShardClient],
        *,
        default_timeout_ms: int = 5_000,
        min_coverage: float = 0.5,
        max_batch: int = 16,
        meters: Meters | None = None,
    ) -> None:
        self.engine = engine
        self.gallery = gallery
        self.shards = list(shards)
        self.default_timeout_ms = default_timeout_ms
        self.min_coverage = min_coverage
        self.meters: Meters = meters or NoMeters()
        self.index = _describe(engine, gallery, len(self.shards))
        self._batcher = Batcher(self._compose_together, max_batch)
        self.meters.record("cirray_index_items", self.index.items, index=self.index.name, version=self.index.version)

    async def search(self, query: Query, timeout_ms: int | None = None) -> Answer:
        """Return the answer to `query`.

        Args:
            query: the query.
            timeout_ms: time for all of it.

        Raises:
            QueryError: it cannot be answered as it was put.
            DeadlineExceededError: the time ran out before the shards were asked.
            ShardsUnavailableError: too few of them answered.
            OverloadedError: none did, since all have too much to do.
        """
        ends, budget_ms = self.deadline(timeout_ms)
        composed = await self.compose(query, ends, budget_ms)
        (answer,) = await self.ask([composed], ends)
        if isinstance(answer, CirrayError):
            raise answer
        return answer

    def deadline(self, timeout_ms: int | None) -> tuple[float, int]:
        """Return when, by `time.monotonic`, a request that begins now must end, and how many milliseconds it has."""
        budget_ms = timeout_ms or self.default_timeout_ms
        return time.monotonic() + budget_ms / 1000, budget_ms

    async def compose(self, query: Query, ends: float, budget_ms: int) -> ComposedQuery:
        """Return a query as a vector.

        Raises:
            QueryError: it cannot be composed as it was put.
            DeadlineExceededError: the time ran out.
        """
        return await before(ends, self._compose(query), budget_ms)

    async def ask(self, composed: Sequence[ComposedQuery], ends: float) -> list[Answer | CirrayError]:
        """Return the answers of all shards to several queries, put to each as one matrix, or why there is none."""
        begun = time.perf_counter()
        vectors = np.stack([each.vector for each in composed])
        answers = await ask_all(
            self.shards,
            lambda shard: shard.ask(self.index.version, vectors, [each.options for each in composed]),
            SHARDS_SHARE * (ends - time.monotonic()),
        )
        search_ms = (time.perf_counter() - begun) * 1000
        for number, reason in answers.failures.items():
            self.meters.record("cirray_shard_failures_total", shard=str(number), reason=reason)
        return [self._assemble(each, place, answers, search_ms) for place, each in enumerate(composed)]

    async def shard_states(self) -> list[ShardState]:
        """Return of each shard whether it answers."""
        probes = await ask_all(self.shards, lambda shard: shard.probe(self.index.version), PROBE_TIMEOUT_S)
        return [
            ShardState(shard=number, ready=number not in probes.failures, reason=probes.failures.get(number))
            for number in range(len(self.shards))
        ]

    async def _compose(self, query: Query) -> ComposedQuery:
        prepared = await asyncio.to_thread(self.engine.prepare, query)
        return await self._batcher(prepared)

    def _compose_together(self, prepared: Sequence[PreparedQuery]) -> list[ComposedQuery]:
        self.meters.record("cirray_batch_size", len(prepared))
        return self.engine.compose(prepared)

    def _assemble(
        self, composed: ComposedQuery, place: int, answers: Answers[list[ShardAnswer]], search_ms: float
    ) -> Answer | CirrayError:
        found = [by_query[place] for by_query in answers.by_shard.values()]
        failed = [ShardFailure(shard, reason) for shard, reason in answers.failures.items()]
        try:
            if not found and set(answers.failures.values()) == {"overloaded"}:
                raise OverloadedError(f"All {len(self.shards)} shards have full queues.")
            answer = self.engine.assemble(composed, [*found, *failed], search_ms)
            record_answer(self.meters, answer)
            return self._enough(answer)
        except CirrayError as error:
            return error

    def _enough(self, answer: Answer) -> Answer:
        coverage = answer.coverage
        if coverage.ratio < self.min_coverage:
            reasons = ", ".join(f"shard {failure.shard}: {failure.reason}" for failure in coverage.failures)
            raise InsufficientCoverageError(
                f"{coverage.ok} of {coverage.total} shards answered ({reasons}), where a share of "
                f"{self.min_coverage:g} is asked for."
            )
        return answer


async def before(ends: float, work: Awaitable[T], budget_ms: int) -> T:
    """Return what `work` returns.

    Raises:
        DeadlineExceededError: it was not done by `ends`, of `time.monotonic`.
    """
    try:
        return await asyncio.wait_for(work, ends - time.monotonic())
    except TimeoutError:
        raise DeadlineExceededError(f"{budget_ms} ms passed before the query was composed.") from None


def _describe(engine: SearchEngine, gallery: Gallery, num_shards: int) -> IndexDescription:
    index, dataset = engine.version, gallery.dataset
    model, _, model_version = index.details.model.rpartition("@")
    return IndexDescription(
        name=index.name,
        version=index.version,
        fingerprint=index.artifact.digest,
        items=sum(index.counts),
        shards=num_shards,
        model=model,
        model_version=model_version,
        dataset=dataset.name,
        dataset_version=dataset.artifact.version,
        dataset_fingerprint=dataset.fingerprint,
        kind=index.details.kind,
        dials=index.details.dials.given(),
        recall_at_10=index.details.recall.at_10,
        bytes_per_vector=index.details.bytes_per_vector,
    )
