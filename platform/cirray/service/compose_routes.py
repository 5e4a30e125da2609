"""The composed vector by itself, for use elsewhere and for tests."""

from __future__ import annotations

import base64
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import Field

from cirray.search import Query
from cirray.service.backend import Backend
from cirray.service.problems import problem_responses
from cirray.service.request_parts import Change
from cirray.service.schemas import QueryInfo, Wire
from cirray.service.search_routes import check_index, picture_of, query_info

_PROBLEMS = (
    "validation",
    "bad-image",
    "image-too-large",
    "unknown-item",
    "unknown-index",
    "deadline-exceeded",
    "internal",
)


class ComposeRequest(Change):
    """A reference and a text, to be made one vector."""

    encoding: Literal["base64", "list"] = Field("base64", description="How the vector is written.")


class ComposeResponse(Wire):
    """A query as a vector of length 1 in the space of the gallery."""

    vector: str | list[float] = Field(description="Base64 of little-endian float32, or a list of numbers.")
    dim: int
    query: QueryInfo
    request_id: str


def compose_router(backend: Backend) -> APIRouter:
    """Return the route `/v1/compose`."""
    router = APIRouter(prefix="/v1", tags=["search"])

    @router.post("/compose", responses=problem_responses(_PROBLEMS))
    async def compose(body: ComposeRequest, request: Request) -> ComposeResponse:
        """Return the vector that POST /v1/search would search for."""
        check_index(body.index, backend)
        query = Query(body.text, body.reference.id, picture_of(body.reference))
        composed = await backend.compose(query, *backend.deadline(body.timeout_ms))
        data = composed.vector.astype("<f4")
        return ComposeResponse(
            vector=base64.b64encode(data.tobytes()).decode() if body.encoding == "base64" else data.tolist(),
            dim=len(data),
            query=query_info(backend, body.text, composed.unknown_words),
            request_id=request.state.request_id,
        )

    return router
