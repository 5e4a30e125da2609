"""Why an item was found: the parts of its score, and where the model looked."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections import OrderedDict

import numpy as np
from fastapi import APIRouter, Request
from pydantic import Field

from cirray.bundles import Bundle
from cirray.search import MAX_LIMIT, Query
from cirray.service.backend import Backend, before
from cirray.service.explaining import Explanation, explain_hit
from cirray.service.problems import problem_responses
from cirray.service.request_parts import Change
from cirray.service.schemas import Identifier, QueryInfo, Wire
from cirray.service.search_routes import check_index, picture_of, query_info

KEPT = 256
"""Explanations that a replica keeps."""

_PROBLEMS = (
    "validation",
    "bad-image",
    "image-too-large",
    "unknown-item",
    "unknown-index",
    "insufficient-coverage",
    "deadline-exceeded",
    "internal",
)


class ExplainRequest(Change):
    """A query, and one item that it found or did not find."""

    item: Identifier = Field(description="Id of the item.")


class ScoreParts(Wire):
    """Cosines, -1 to 1: higher is more alike."""

    query: float = Field(description="Of the composed query and the item: the score.")
    reference: float = Field(description="Of the reference's own picture and the item.")
    text: float | None = Field(description="Of the text alone and the item; null where the model needs a picture.")


class Ranks(Wire):
    """Where the item stands, from 1; null where it is not among the first `within`."""

    with_text: int | None
    without_text: int | None = Field(description="Where it stood if the reference's own picture were the query.")
    within: int


class Grid(Wire):
    """One map over the reference, from its top left corner."""

    name: str
    width: int
    height: int
    values_b64_u8: str = Field(description="Base64 of width × height bytes, row by row; 255 is 1.")


class ExplainResponse(Wire):
    """Why the item has its score."""

    item: str
    scores: ScoreParts
    ranks: Ranks
    supported: bool = Field(description="Whether the model's method has maps; none are made up where it has not.")
    maps: list[Grid]
    degraded: bool = Field(description="Whether a shard is missing, so that the ranks may be too good.")
    query: QueryInfo
    request_id: str


def explain_router(backend: Backend, bundle: Bundle) -> APIRouter:
    """Return the route `/v1/explain`.

    Args:
        backend: what answers.
        bundle: the model that composes its queries.
    """
    router = APIRouter(prefix="/v1", tags=["search"])
    kept: OrderedDict[tuple[str, str, str], Explanation] = OrderedDict()
    # An explanation takes several times as long as a search: one at a time leaves the searches their share.
    one_at_a_time = asyncio.Semaphore(1)

    async def explanation(query: Query, item: str, timeout_ms: int | None) -> Explanation:
        reference = query.reference_id or hashlib.sha256(query.reference_image or b"").hexdigest()
        key = (f"{query.reference_id is None}/{reference}", query.text, item)
        if key in kept:
            kept.move_to_end(key)
            return kept[key]
        ends, budget_ms = backend.deadline(timeout_ms)
        await before(ends, one_at_a_time.acquire(), budget_ms)
        started = time.perf_counter()
        try:
            made = await before(ends, explain_hit(backend, bundle, query, item, ends, budget_ms), budget_ms)
        finally:
            one_at_a_time.release()
        backend.meters.record("cirray_explain_ms", (time.perf_counter() - started) * 1000)
        if not made.degraded:
            kept[key] = made
            while len(kept) > KEPT:
                kept.popitem(last=False)
        return made

    @router.post("/explain", responses=problem_responses(_PROBLEMS))
    async def explain(body: ExplainRequest, request: Request) -> ExplainResponse:
        """Say why an item has its score for a query: parts of the score, ranks, and where the model looked."""
        check_index(body.index, backend)
        query = Query(body.text, body.reference.id, picture_of(body.reference), limit=MAX_LIMIT)
        found = await explanation(query, body.item, body.timeout_ms)
        return ExplainResponse(
            item=body.item,
            scores=ScoreParts(query=found.query_score, reference=found.reference_score, text=found.text_score),
            ranks=Ranks(with_text=found.rank, without_text=found.rank_without_text, within=MAX_LIMIT),
            supported=bool(bundle.model.composer.explains),
            maps=[_grid(name, values) for name, values in found.maps.items()],
            degraded=found.degraded,
            query=query_info(backend, body.text, found.unknown_words),
            request_id=request.state.request_id,
        )

    return router


def _grid(name: str, values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Grid:
    height, width = values.shape
    data = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8).tobytes()
    return Grid(name=name, width=width, height=height, values_b64_u8=base64.b64encode(data).decode())
