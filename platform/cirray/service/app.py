"""The HTTP API as an ASGI application, over any backend."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, FastAPI

from cirray import __version__
from cirray.bundles import Bundle
from cirray.service.backend import Backend
from cirray.service.batch_routes import batch_router
from cirray.service.compose_routes import compose_router
from cirray.service.composer_routes import composer_router
from cirray.service.description import describe
from cirray.service.explain_routes import explain_router
from cirray.service.feedback import FeedbackLog
from cirray.service.feedback_routes import feedback_router
from cirray.service.guard import Guard, Protection
from cirray.service.item_routes import item_router
from cirray.service.middleware import BodyLimit, Envelope
from cirray.service.observation import Observation
from cirray.service.page_routes import page_router
from cirray.service.problems import install_problem_handlers
from cirray.service.search_routes import search_router
from cirray.service.status_routes import status_router

DESCRIPTION = """
Composed image retrieval: a reference picture and a text that says what should be different.

Every error is a problem document (RFC 9457) of media type `application/problem+json`; its `type` resolves to what
it means. Every answer to a search says which version of the index answered and how much of it.
"""


def create_api(
    backend: Backend,
    *,
    echo_request_id: bool = True,
    protection: Protection | None = None,
    feedback: FeedbackLog | None = None,
) -> FastAPI:
    """Return the API, with its web page at `/` and its description at `/openapi.json`.

    Args:
        backend: what it stands on.
        echo_request_id: whether answers carry `x-request-id`; Ray Serve's proxy adds it by itself.
        protection: what callers are held to; by default it answers callers of this machine only, without keys.
        feedback: where verdicts are kept; without it there is no route for them.
    """
    app = FastAPI(
        title="cirray",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # they fetch their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    protection = protection or Protection()
    for router in _routers(backend, protection, feedback):
        app.include_router(router)
    install_problem_handlers(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, protection=protection)
    app.add_middleware(Observation, meters=backend.meters)
    app.add_middleware(Envelope, echo_request_id=echo_request_id)  # added last, so outermost
    app.openapi = _openapi(app)  # type: ignore[method-assign]  # the way FastAPI documents for changing it
    return app


def _routers(backend: Backend, protection: Protection, feedback: FeedbackLog | None) -> Iterator[APIRouter]:
    yield search_router(backend)
    yield batch_router(backend, protection.rate)
    yield compose_router(backend)
    yield item_router(backend)
    yield status_router(backend)
    if isinstance(backend.engine.model, Bundle):
        yield composer_router(backend, backend.engine.model)
        yield explain_router(backend, backend.engine.model)
    if feedback is not None:
        yield feedback_router(backend, feedback)
    yield page_router()


def _openapi(app: FastAPI) -> Any:
    """Return a function that describes `app`, the first time that it is asked."""
    described: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not described:
            described.update(describe(app))
        return described

    return openapi
