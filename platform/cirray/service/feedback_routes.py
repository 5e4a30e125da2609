"""What callers say of the hits they got."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import Field

from cirray.service.backend import Backend
from cirray.service.feedback import FeedbackLog
from cirray.service.problems import problem_responses
from cirray.service.schemas import Identifier, Text, Wire
from cirray.service.search_routes import check_index

MAX_VERDICTS = 64


class Verdict(Wire):
    """What somebody thought of one hit."""

    reference_id: Identifier = Field(description="Id of the reference; pictures that were sent are not kept.")
    text: Text
    item: Identifier = Field(description="Id of the hit.")
    verdict: Literal["click", "accept", "reject"]
    turn: int = Field(0, ge=0, le=1000, description="Which turn of a conversation it was, from 0.")
    rank: int | None = Field(None, ge=1, le=1_000_000, description="Where the hit stood.")


class FeedbackRequest(Wire):
    """Verdicts on the hits of one answer."""

    verdicts: list[Verdict] = Field(min_length=1, max_length=MAX_VERDICTS)
    search_id: Identifier | None = Field(None, description="The `request_id` of the answer.")
    index: Identifier | None = Field(None, description="Name of the index; may be left out.")


class FeedbackResponse(Wire):
    """The verdicts are kept."""

    kept: int
    request_id: str


def feedback_router(backend: Backend, log: FeedbackLog) -> APIRouter:
    """Return the route `/v1/feedback`.

    Args:
        backend: whose hits they are.
        log: where verdicts are kept.
    """
    router = APIRouter(prefix="/v1", tags=["feedback"])
    codes = ["validation", "unknown-item", "unknown-index", "internal"]

    @router.post("/feedback", responses=problem_responses(codes))
    def feedback(body: FeedbackRequest, request: Request) -> FeedbackResponse:
        """Keep verdicts; those accepted can become triplets to train on. They are on disk when this answers."""
        check_index(body.index, backend)
        for verdict in body.verdicts:
            backend.gallery.item(verdict.reference_id)
            backend.gallery.item(verdict.item)
        shared = {
            "request_id": body.search_id or request.state.request_id,
            "index": backend.index.name,
            "index_version": backend.index.version,
            "model": f"{backend.index.model}@{backend.index.model_version}",
        }
        log.append([{**shared, **_row(verdict)} for verdict in body.verdicts])
        for verdict in body.verdicts:
            backend.meters.record("cirray_feedback_total", verdict=verdict.verdict)
        return FeedbackResponse(kept=len(body.verdicts), request_id=request.state.request_id)

    return router


def _row(verdict: Verdict) -> dict[str, object]:
    row = verdict.model_dump(exclude={"item"})
    return {**row, "target_id": verdict.item}
