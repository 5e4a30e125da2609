"""What runs in the replicas of Ray Serve: shards that search, and an ingress that composes and answers HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from fastapi import FastAPI
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from cirray.index import IndexVersion, SearchOptions
from cirray.index.embedder import Vectors
from cirray.search import SearchEngine, ShardAnswer, ask_shard
from cirray.service.app import create_api
from cirray.service.backend import Backend
from cirray.service.config import ServiceConfig
from cirray.service.fanout import ShardFaultError
from cirray.service.feedback import FeedbackLog
from cirray.service.gallery import Gallery
from cirray.service.guard import Protection
from cirray.service.keys import Keys
from cirray.service.meters import RayMeters
from cirray.service.rate import RateLimit
from cirray.service.serving_set import ServingSet
from cirray.storage import Root

_ATTEMPTS = 2
"""A search changes nothing, so one that died with its replica is put to another replica once more."""


class ShardReplica:
    """Searches one shard of one version of an index.

    Args:
        config: of the service, with the version that every replica of it serves.
        number: of the shard.
    """

    def __init__(self, config: ServiceConfig, number: int) -> None:
        index = IndexVersion.open(Root.open(config.root).index(config.index).open(config.version))
        self.number = number
        self.version = index.version
        self.shard = index.open_shard(number, threads=config.shard_threads)
        self.check_health()

    def ask(self, version: str, queries: Vectors, options: Sequence[SearchOptions]) -> list[ShardAnswer] | None:
        """Return the answers to queries (Q, D), or None where they are for another version of the index.

        While Serve replaces the replicas of one version by those of another, an ingress can reach a shard that is
        not of its own version. Their hits must never mix.
        """
        if version != self.version:
            return None
        return ask_shard(self.number, self.shard, queries, options)

    def serves(self, version: str) -> bool:
        """Return whether queries for this version would be answered."""
        return version == self.version

    def check_health(self) -> None:
        """Search once; Serve replaces a replica whose check raises three times in a row."""
        probe = np.zeros((1, self.shard.dim), dtype=np.float32)
        probe[0, 0] = 1.0
        self.shard.search(probe, 1)


class ServeShard:
    """A shard behind a handle of Ray Serve: a `ShardClient`."""

    def __init__(self, handle: DeploymentHandle[ShardReplica]) -> None:
        self._handle = handle

    async def ask(self, version: str, queries: Vectors, options: Sequence[SearchOptions]) -> list[ShardAnswer]:
        """Return the shard's answers.

        Raises:
            ShardFaultError: no replica can answer, or it is of another version.
        """
        answers: list[ShardAnswer] | None = await self._call("ask", version, queries, options)
        if answers is None:
            raise ShardFaultError("other-version")
        return answers

    async def probe(self, version: str) -> None:
        """Return if a replica of this version answers.

        Raises:
            ShardFaultError: none does.
        """
        if not await self._call("serves", version):
            raise ShardFaultError("other-version")

    async def _call(self, method: str, *args: object) -> Any:
        for attempt in range(_ATTEMPTS):
            try:
                return await getattr(self._handle, method).remote(*args)
            except BackPressureError:
                raise ShardFaultError("overloaded") from None
            except (RayActorError, DeploymentUnavailableError):
                if attempt + 1 == _ATTEMPTS:
                    raise ShardFaultError("unavailable") from None
        raise AssertionError("unreachable")


class SearchIngress:
    """Answers HTTP: composes queries here, and asks the shards.

    Args:
        config: of the service, with the version that every replica of it serves.
        shards: handle i is that of shard i.
        keys: that callers must show.
    """

    def __init__(
        self, config: ServiceConfig, shards: Sequence[DeploymentHandle[ShardReplica]], keys: Keys | None = None
    ) -> None:
        torch.set_num_threads(config.ingress_threads)
        root = Root.open(config.root)
        opened = ServingSet.open(root, config.index, config.version)
        gallery = Gallery(opened.dataset, opened.index.details.split)
        self._backend = Backend(
            SearchEngine(opened.open_bundle(), opened.dataset, opened.index, references=gallery),
            gallery,
            [ServeShard(handle) for handle in shards],
            default_timeout_ms=config.default_timeout_ms,
            min_coverage=config.min_coverage,
            max_batch=config.max_batch,
            meters=RayMeters(),
        )
        self._feedback = FeedbackLog.of(root, config.index)
        self._protection = Protection(
            keys=keys or Keys(),
            open_to=config.open_to,
            rate=RateLimit(config.requests_per_second, config.burst),
            max_requests=config.max_requests,
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_api(self._backend, echo_request_id=False, protection=self._protection, feedback=self._feedback)
