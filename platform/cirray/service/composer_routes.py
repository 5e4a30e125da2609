"""Which models compose the queries, and what is known of them."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from cirray.bundles import Bundle
from cirray.service.backend import Backend
from cirray.service.problems import problem_responses
from cirray.service.schemas import Wire


class ComposerInfo(Wire):
    """A model that composes queries."""

    name: str
    version: str
    method: str = Field(description="Name of the composer in the registry.")
    dim: int
    uses_reference: bool
    uses_text: bool
    explains: list[str] = Field(description="Maps that POST /v1/explain returns; empty where the method has none.")
    trained_on: str = Field(description="NAME@VERSION of the dataset.")
    metrics: dict[str, float] = Field(description="What training itself came to, as the bundle's manifest has it.")


class ComposerList(Wire):
    """All models that compose queries here."""

    composers: list[ComposerInfo]


def composer_router(backend: Backend, bundle: Bundle) -> APIRouter:
    """Return the route `/v1/composers`.

    Args:
        backend: whose index it is.
        bundle: the model that the index was built with.
    """
    router = APIRouter(prefix="/v1", tags=["status"])
    composer, details = bundle.model.composer, bundle.artifact.manifest.details
    info = ComposerInfo(
        name=backend.index.model,
        version=backend.index.model_version,
        method=bundle.model.config.composer.name,
        dim=bundle.dim,
        uses_reference=composer.uses_reference,
        uses_text=composer.uses_text,
        explains=list(composer.explains),
        trained_on=str(details.get("dataset", "")),
        metrics={name: float(value) for name, value in details.get("metrics", {}).items()},
    )

    @router.get("/composers", responses=problem_responses(["internal"]))
    async def composers() -> ComposerList:
        """List the models that compose queries."""
        return ComposerList(composers=[info])

    return router
