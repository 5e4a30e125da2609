"""From a query to an answer, wherever the shards are."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cirray.datasets.pictures import decode
from cirray.datasets.prepared import PreparedDataset
from cirray.errors import ArtifactError, ShardsUnavailableError, UnknownItemError
from cirray.index import SHARD_ITEMS, IndexVersion, SearchOptions, Shard, check_filter, check_width, merge
from cirray.index.embedder import Vectors
from cirray.search.answer import Answer, Coverage, RankedHit, ShardAnswer, ShardFailure, ask_shard, filter_plan
from cirray.search.query import Query


class QueryModel(Protocol):
    """What the engine needs of a model bundle."""

    @property
    def fingerprint(self) -> str:
        """Fingerprint of its content."""

    def compose(self, images: Sequence[bytes], texts: Sequence[str]) -> Vectors:
        """Return the queries, (N, D) float32, L2-normalised."""

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of `text` that the model never saw."""


class References(Protocol):
    """Where pictures of items are looked up; a `PreparedDataset` is one."""

    def image(self, item_id: str) -> bytes:
        """Return the encoded picture of one item, or raise `UnknownItemError`."""


@dataclass(frozen=True)
class PreparedQuery:
    """A query with its reference at hand, ready to be composed together with others.

    Attributes:
        query: as it was put.
        image: the encoded reference.
        started: `time.perf_counter()` when work on it began.
        decode_ms: what getting hold of the reference took.
    """

    query: Query
    image: bytes = field(repr=False)
    started: float
    decode_ms: float


@dataclass(frozen=True)
class ComposedQuery:
    """A query as a vector, ready for the shards.

    Attributes:
        query: as it was put.
        vector: (D,) float32, L2-normalised.
        exclude: ids that must not be found.
        unknown_words: words of the text that the model never saw.
        started: `time.perf_counter()` when work on it began.
        timings_ms: of "decode" and "compose".
    """

    query: Query
    vector: npt.NDArray[np.float32] = field(repr=False)
    exclude: frozenset[str]
    unknown_words: tuple[str, ...]
    started: float
    timings_ms: dict[str, float]

    @property
    def options(self) -> SearchOptions:
        """What every shard is asked besides the vector."""
        query = self.query
        return SearchOptions(
            k=query.limit,
            exclude=self.exclude,
            filter=query.filter,
            min_score=query.min_score,
            exact=query.exact,
            nprobe=query.nprobe,
            ef=query.ef,
        )


class SearchEngine:
    """Composes queries and assembles answers; asks the shards itself if it has them.

    A server whose shards run elsewhere calls `prepare`, `compose`, sends the vector to the shards, and hands what
    comes back to `assemble`. May be used from several threads if the model may.

    Args:
        model: composes the queries.
        dataset: that the index was built from.
        version: the index that the shards belong to.
        shards: all of them, in order, where `search` is to be used.
        references: where references are looked up; by default in all of the dataset.

    Raises:
        MismatchError: model, dataset and index do not belong together.
    """

    def __init__(
        self,
        model: QueryModel,
        dataset: PreparedDataset,
        version: IndexVersion,
        shards: Sequence[Shard] = (),
        references: References | None = None,
    ) -> None:
        version.check_model(model.fingerprint)
        version.check_dataset(dataset.fingerprint)
        self.model = model
        self.version = version
        self.shards = list(shards)
        self._references: References = references or dataset

    def prepare(self, query: Query) -> PreparedQuery:
        """Return the query with its reference picture.

        Raises:
            UnknownItemError: there is no such item.
            BadImageError: the picture that was sent is not one, or is too large.
            QueryError: the filter cannot be put to the items, or the kind of index has no such dial.
        """
        started = time.perf_counter()
        if query.filter is not None:
            # Here and not in the shards, so that it is one clear refusal and no failure of each of them.
            check_filter(query.filter, SHARD_ITEMS)
        check_width(self.version.details.kind, query.nprobe, query.ef)
        if query.reference_image is not None:
            # Checked one by one, so that a bad picture does not spoil the batch that others are in.
            decode(query.reference_image)
            image = query.reference_image
        else:
            image = self._picture_of(query.reference_id or "")
        return PreparedQuery(query, image, started, _ms_since(started))

    def compose(self, prepared: Sequence[PreparedQuery]) -> list[ComposedQuery]:
        """Return the queries as vectors, composed in one batch.

        Raises:
            QueryError: the model cannot use one of the texts.
            ArtifactError: the model gives something else than one finite vector of the index's size for each.
        """
        if not prepared:
            return []
        begun = time.perf_counter()
        vectors = self.model.compose([p.image for p in prepared], [p.query.text for p in prepared])
        compose_ms = _ms_since(begun)
        if vectors.shape != (len(prepared), self.version.dim) or not np.isfinite(vectors).all():
            raise ArtifactError(
                f"Model {self.version.details.model} gave vectors of shape {vectors.shape} for {len(prepared)} "
                f"queries, where finite ones of shape ({len(prepared)}, {self.version.dim}) were due.",
                hint="Train it again, or serve another version.",
            )
        return [self._composed(p, v, compose_ms) for p, v in zip(prepared, vectors, strict=True)]

    def assemble(
        self, composed: ComposedQuery, outcomes: Iterable[ShardAnswer | ShardFailure], search_ms: float
    ) -> Answer:
        """Return the answer from what the shards found, and from how many.

        Args:
            composed: the query.
            outcomes: one for each shard that was asked; a shard without one counts as failed.
            search_ms: milliseconds from asking the shards to the last outcome.

        Raises:
            ShardsUnavailableError: no shard answered.
        """
        begun = time.perf_counter()
        outcomes = list(outcomes)
        answers = {o.shard: o for o in outcomes if isinstance(o, ShardAnswer)}
        coverage = self._coverage(answers, [o for o in outcomes if isinstance(o, ShardFailure)])
        best = merge((answer.hits for answer in answers.values()), composed.query.limit)
        complete = not coverage.degraded and all(answer.complete for answer in answers.values())
        coverage = replace(coverage, exhausted=complete and len(best) < composed.query.limit)
        hits = tuple(RankedHit(rank, *hit) for rank, hit in enumerate(best, start=1))
        timings = {
            **composed.timings_ms,
            "search": search_ms,
            "merge": _ms_since(begun),
            "total": _ms_since(composed.started),
        }
        return Answer(hits, composed.unknown_words, coverage, self.version.name, self.version.version, timings)

    def search(self, query: Query) -> Answer:
        """Return the answer to one query from the shards that this engine holds.

        Raises:
            QueryError: the query cannot be answered as it was put.
            ArtifactError: the model's vectors cannot be used.
            ShardsUnavailableError: this engine holds no shards.
        """
        (composed,) = self.compose([self.prepare(query)])
        begun = time.perf_counter()
        answers = [
            ask_shard(number, shard, composed.vector[None], [composed.options])[0]
            for number, shard in enumerate(self.shards)
        ]
        return self.assemble(composed, answers, _ms_since(begun))

    def _picture_of(self, item_id: str) -> bytes:
        try:
            return self._references.image(item_id)
        except UnknownItemError:
            raise UnknownItemError(
                f"There is no item {item_id!r} in index {self.version.name}@{self.version.version}, which was built "
                f"from dataset {self.version.details.dataset}.",
                hint="Give the id of an item of that dataset, or send a picture.",
            ) from None

    def _composed(self, prepared: PreparedQuery, vector: npt.NDArray[np.float32], compose_ms: float) -> ComposedQuery:
        query = prepared.query
        own = {query.reference_id} if query.exclude_reference and query.reference_id is not None else set()
        return ComposedQuery(
            query=query,
            vector=vector,
            exclude=frozenset(own | set(query.exclude_ids)),
            unknown_words=tuple(self.model.unknown_words(query.text)),
            started=prepared.started,
            timings_ms={"decode": prepared.decode_ms, "compose": compose_ms},
        )

    def _coverage(self, answers: dict[int, ShardAnswer], failures: list[ShardFailure]) -> Coverage:
        reasons = {failure.shard: failure for failure in failures}
        missing = [number for number in range(self.version.num_shards) if number not in answers]
        failed = tuple(reasons.get(number, ShardFailure(number, "no answer")) for number in missing)
        if not answers:
            listed = ", ".join(f"{failure.shard}: {failure.reason}" for failure in failed)
            raise ShardsUnavailableError(
                f"None of the {self.version.num_shards} shards of index {self.version.name}@{self.version.version} "
                f"answered ({listed}).",
                hint="Try again; if it lasts, look at the shards' logs.",
            )
        return Coverage(self.version.num_shards, len(answers), failed, filter_plan(answers.values()))


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000.0
