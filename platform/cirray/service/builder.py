"""The Serve application, from its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ray import serve
from ray.serve import Application, Deployment
from ray.serve.config import BackpressureConfig
from ray.serve.schema import LoggingConfig

from cirray.config import from_mapping
from cirray.service.config import ServiceConfig
from cirray.service.deployments import SearchIngress, ShardReplica
from cirray.service.keys import Keys
from cirray.service.serving_set import ServingSet
from cirray.storage import Root

INGRESS = "Search"

_HEADROOM = 256
"""Requests that Serve lets through to an ingress replica beyond those that it works on, and again that it queues.

What Serve itself refuses it refuses in plain text. What reaches the replica is refused there, as a problem document.
"""

_SHARD_REQUESTS = 16


def build_app(args: Mapping[str, Any]) -> Application:
    """Return the application that serves one index.

    What "live" points at is looked up here, once, and every replica opens exactly that version: replicas that start
    later, or again, never serve another one. So are the keys, in the environment of this process, and from here the
    ingress gets their digests; with other keys the application must be deployed again.

    Args:
        args: the fields of `ServiceConfig`; `root` and `index` are required.

    Raises:
        ConfigError: an argument is unknown, missing or of the wrong kind, or a key cannot be one.
        ArtifactError: the index, its model or its dataset does not exist, or is unfinished or corrupt.
        MismatchError: they do not belong together.
        StorageError: the root cannot be read.
    """
    given = from_mapping(ServiceConfig, args)
    root = Root.open(given.root)
    opened = ServingSet.open(root, given.index, given.version)
    config = given.model_copy(update={"root": root.uri, "version": opened.index.version})
    options = _options(config)
    shard = _deployment(ShardReplica).options(
        max_ongoing_requests=_SHARD_REQUESTS, max_queued_requests=config.max_queued_per_shard, **options
    )
    ingress = _deployment(serve.ingress()(SearchIngress)).options(
        max_ongoing_requests=config.max_requests + _HEADROOM,
        max_queued_requests=_HEADROOM,
        backpressure_config=BackpressureConfig(retry_after_s=1),
        **options,
    )
    shards = [
        shard.options(name=shard_name(number)).bind(config, number) for number in range(opened.index.num_shards)
    ]
    return ingress.options(name=INGRESS).bind(config, shards, Keys.from_environment())


def shard_name(number: int) -> str:
    """Return the name of a shard's deployment, the same for every version of an index."""
    return f"Shard{number:02d}"


def _deployment(kind: Any) -> Deployment:
    return cast(Deployment, serve.deployment(kind))


def _options(config: ServiceConfig) -> dict[str, Any]:
    return {
        # One JSON object a line, and of each request only the line that `Observation` writes.
        "logging_config": LoggingConfig(encoding="JSON", enable_access_log=False),
        "ray_actor_options": {"num_cpus": config.cpus_per_replica},
        "health_check_period_s": config.health_check_period_s,
        # What cannot start at the third attempt will not at the twentieth, Serve's default.
        "max_constructor_retry_count": 3,
        "graceful_shutdown_wait_loop_s": 0.2,
        "graceful_shutdown_timeout_s": 5.0,
    }
