"""Is it up, is it ready, what does it serve."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from cirray.service.backend import Backend
from cirray.service.problems import problem_responses
from cirray.service.refusals import NotReadyError
from cirray.service.schemas import IndexInfo, IndexList, Live, Parameters, Ready, ShardState


class ReadyParameters(Parameters):
    """How much to say."""

    verbose: str | None = Field(None, max_length=8, description="Present (and not `false`): list the shards.")


def status_router(backend: Backend) -> APIRouter:
    """Return the routes `/livez`, `/readyz` and `/v1/indexes`."""
    router = APIRouter(tags=["status"])
    index = IndexInfo(name=backend.index.name, version=backend.index.version)

    @router.get("/livez", responses=problem_responses(["internal"]))
    async def livez() -> Live:
        """Say that the process is up."""
        return Live()

    @router.get("/readyz", responses=problem_responses(["not-ready", "validation", "internal"]))
    async def readyz(parameters: Annotated[ReadyParameters, Query()]) -> Ready:
        """Say whether every shard answers."""
        shards = await backend.shard_states()
        if not all(shard.ready for shard in shards):
            raise NotReadyError(_who_is_missing(shards))
        verbose = parameters.verbose not in (None, "false", "0")
        return Ready(index=index, shards=shards if verbose else None)

    @router.get("/v1/indexes", responses=problem_responses(["internal"]))
    async def indexes() -> IndexList:
        """List what is served."""
        return IndexList(indexes=[backend.index])

    return router


def _who_is_missing(shards: list[ShardState]) -> str:
    missing = [f"shard {shard.shard} ({shard.reason})" for shard in shards if not shard.ready]
    return f"{len(missing)} of {len(shards)} shards do not answer: {', '.join(missing)}."
