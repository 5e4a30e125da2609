"""Several searches in one request."""

from __future__ import annotations

import asyncio
import time

from fastapi import APIRouter, Request, Response
from pydantic import Field

from cirray.errors import CirrayError
from cirray.search import ComposedQuery
from cirray.service.backend import Backend, before
from cirray.service.guard import charge
from cirray.service.item_routes import ImageLinks
from cirray.service.problems import problem_of, problem_responses
from cirray.service.rate import RateLimit
from cirray.service.schemas import MAX_TIMEOUT_MS, Problem, SearchRequest, SearchResponse, Wire
from cirray.service.search_routes import as_query, as_response

MAX_SEARCHES = 64


class BatchRequest(Wire):
    """Searches that share one deadline; a `timeout_ms` of their own is not looked at."""

    searches: list[SearchRequest] = Field(min_length=1, max_length=MAX_SEARCHES)
    timeout_ms: int | None = Field(
        None, ge=1, le=MAX_TIMEOUT_MS, description="Time for the whole request; the service's default if absent."
    )


class BatchItem(Wire):
    """What one search came to: exactly one of the two."""

    result: SearchResponse | None = None
    problem: Problem | None = None


class BatchResponse(Wire):
    """One item for each search, in their order."""

    items: list[BatchItem]
    request_id: str


def batch_router(backend: Backend, rate: RateLimit) -> APIRouter:
    """Return the route `/v1/search/batch`.

    Args:
        backend: what answers.
        rate: that callers are held to; each search of a batch counts as one.
    """
    router = APIRouter(prefix="/v1", tags=["search"])
    links = ImageLinks(backend.index.dataset_fingerprint[:16])

    @router.post("/search/batch", responses=problem_responses(["validation", "deadline-exceeded", "internal"]))
    async def search_batch(body: BatchRequest, request: Request, response: Response) -> BatchResponse:
        """Answer up to 64 searches, composed together and put to each shard as one matrix."""
        charge(rate, request.state.caller, len(body.searches) - 1)
        started = time.perf_counter()
        ends, budget_ms = backend.deadline(body.timeout_ms)
        composing = (_compose(backend, search, ends, budget_ms) for search in body.searches)
        outcomes = await before(ends, asyncio.gather(*composing), budget_ms)
        composed = [each for each in outcomes if isinstance(each, ComposedQuery)]
        answers = iter(await backend.ask(composed, ends) if composed else [])
        response.headers["cache-control"] = "no-store"
        items = []
        for search, outcome in zip(body.searches, outcomes, strict=True):
            answer = next(answers) if isinstance(outcome, ComposedQuery) else outcome
            if isinstance(answer, CirrayError):
                items.append(BatchItem(problem=problem_of(request, answer)))
                continue
            if answer.coverage.degraded:
                response.headers["x-degraded"] = "1"
            total_ms = (time.perf_counter() - started) * 1000
            found = as_response(backend, links, search, answer, 0.0, total_ms)
            items.append(BatchItem(result=found.model_copy(update={"request_id": request.state.request_id})))
        return BatchResponse(items=items, request_id=request.state.request_id)

    return router


async def _compose(
    backend: Backend, search: SearchRequest, ends: float, budget_ms: int
) -> ComposedQuery | CirrayError:
    try:
        return await backend.compose(as_query(search, backend), ends, budget_ms)
    except CirrayError as error:
        return error
