"""The route that people use: compose and search."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Sequence
from dataclasses import asdict

from fastapi import APIRouter, Request, Response

from cirray.search import MAX_IMAGE_BYTES, Answer, Query, RankedHit
from cirray.service.backend import Backend
from cirray.service.item_routes import ImageLinks
from cirray.service.problems import problem_responses
from cirray.service.refusals import BodyTooLargeError, InvalidQueryError, UnknownIndexError
from cirray.service.schemas import (
    Coverage,
    FieldName,
    Hit,
    HitFields,
    IndexInfo,
    QueryInfo,
    Reference,
    SearchRequest,
    SearchResponse,
    ShardCounts,
    ShardFailure,
    Timings,
)

_PROBLEMS = [
    "validation",
    "bad-image",
    "image-too-large",
    "unknown-item",
    "unknown-index",
    "insufficient-coverage",
    "deadline-exceeded",
    "internal",
]


def search_router(backend: Backend) -> APIRouter:
    """Return the route `/v1/search`."""
    router = APIRouter(prefix="/v1", tags=["search"])
    links = ImageLinks(backend.index.dataset_fingerprint[:16])

    @router.post("/search", responses=problem_responses(_PROBLEMS))
    async def search(body: SearchRequest, request: Request, response: Response) -> SearchResponse:
        """Return the items that look like the reference after the change that the text asks for."""
        started = time.perf_counter()
        query = as_query(body, backend)
        base64_ms = (time.perf_counter() - started) * 1000
        answer = await backend.search(query, body.timeout_ms)
        found = as_response(backend, links, body, answer, base64_ms, (time.perf_counter() - started) * 1000)
        response.headers["server-timing"] = ", ".join(f"{stage};dur={ms:.2f}" for stage, ms in found.timings_ms)
        response.headers["cache-control"] = "no-store"
        if answer.coverage.degraded:
            response.headers["x-degraded"] = "1"
        return found.model_copy(update={"request_id": request.state.request_id})

    return router


def check_index(name: str | None, backend: Backend) -> None:
    """Make sure that the index that a request names is the one that is served.

    Raises:
        UnknownIndexError: it is another.
    """
    if name not in (None, backend.index.name):
        raise UnknownIndexError(f"Index {name!r} is not served here; {backend.index.name!r} is.")


def as_query(body: SearchRequest, backend: Backend) -> Query:
    """Return the query that a request puts.

    Raises:
        UnknownIndexError: it is put to another index.
        InvalidQueryError, BodyTooLargeError: its picture cannot be taken.
    """
    check_index(body.index, backend)
    return Query(
        text=body.text,
        reference_id=body.reference.id,
        reference_image=picture_of(body.reference),
        limit=body.limit,
        exclude_reference=body.exclude_reference,
        exclude_ids=tuple(body.exclude_ids),
        filter=body.filter,
        min_score=body.min_score,
        exact=body.params.exact,
        nprobe=body.params.nprobe,
        ef=body.params.ef,
    )


def as_response(
    backend: Backend, links: ImageLinks, body: SearchRequest, answer: Answer, base64_ms: float, total_ms: float
) -> SearchResponse:
    """Return an answer as it goes over the wire, but for the id of the request."""
    return SearchResponse(
        hits=_hits(answer, links, body.fields),
        query=query_info(backend, body.text, answer.unknown_words),
        index=IndexInfo(name=answer.index, version=answer.index_version),
        coverage=_coverage(answer),
        timings_ms=_timings(answer, base64_ms, total_ms),
        request_id="",
    )


def query_info(backend: Backend, text: str, unknown_words: Sequence[str]) -> QueryInfo:
    """Return how a query was understood."""
    return QueryInfo(
        composer=backend.index.model,
        composer_version=backend.index.model_version,
        text=text,
        unknown_words=list(unknown_words),
    )


def picture_of(reference: Reference) -> bytes | None:
    """Return the picture that was sent, if one was.

    Raises:
        InvalidQueryError: it is not base64.
        BodyTooLargeError: it has too many bytes.
    """
    if reference.image is None:
        return None
    try:
        picture = base64.b64decode(reference.image, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidQueryError(
            f"The picture is not standard base64: {error}.",
            pointer="/reference/image",
            hint="Send the file's bytes in base64 with padding, without a data: prefix or line breaks.",
        ) from None
    if len(picture) > MAX_IMAGE_BYTES:
        raise BodyTooLargeError(f"The picture has {len(picture):,} bytes; at most {MAX_IMAGE_BYTES:,} are allowed.")
    return picture


def _timings(answer: Answer, base64_ms: float, total_ms: float) -> Timings:
    stages = answer.timings_ms
    return Timings(
        decode=base64_ms + stages["decode"],
        compose=stages["compose"],
        search=stages["search"],
        merge=stages["merge"],
        total=total_ms,
    )


def _hits(answer: Answer, links: ImageLinks, fields: Sequence[FieldName]) -> list[Hit]:
    return [
        Hit(
            id=hit.item_id,
            rank=hit.rank,
            score=hit.score,
            label=hit.label,
            caption=hit.caption,
            image_url=links.url(hit.item_id),
            fields=_fields(hit, fields),
        )
        for hit in answer.hits
    ]


def _fields(hit: RankedHit, asked: Sequence[FieldName]) -> HitFields | None:
    told = {**asdict(hit), "attributes": list(hit.attributes)}
    return HitFields.model_validate({name: told[name] for name in asked}) if asked else None


def _coverage(answer: Answer) -> Coverage:
    coverage = answer.coverage
    failures = [ShardFailure(shard=failure.shard, reason=failure.reason) for failure in coverage.failures]
    return Coverage(
        ratio=coverage.ratio,
        degraded=coverage.degraded,
        shards=ShardCounts(total=coverage.total, ok=coverage.ok, failed=len(failures)),
        failures=failures,
        filter=coverage.filter,
        exhausted=coverage.exhausted,
    )
