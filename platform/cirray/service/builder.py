"""The Serve application, from its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ray import serve
from ray.serve import Application, Deployment

from cirray.config import from_mapping
from cirray.service.config import ServiceConfig
from cirray.service.deployments import SearchIngress, ShardReplica
from cirray.service.serving_set import ServingSet
from cirray.storage import Root

INGRESS = "Search"

_INGRESS_REQUESTS = 64
"""Requests in one ingress replica at a time; most of their time they wait for shards or pictures."""

_SHARD_REQUESTS = 16


def build_app(args: Mapping[str, Any]) -> Application:
    """Return the application that serves one index.

    What "live" points at is looked up here, once, and every replica opens exactly that version: replicas that start
    later, or again, never serve another one.

    Args:
        args: the fields of `ServiceConfig`; `root` and `index` are required.

    Raises:
        ConfigError: an argument is unknown, missing or of the wrong kind.
        ArtifactError: the index, its model or its dataset does not exist, or is unfinished or corrupt.
        MismatchError: they do not belong together.
        StorageError: the root cannot be read.
    """
    given = from_mapping(ServiceConfig, args)
    root = Root.open(given.root)
    opened = ServingSet.open(root, given.index, given.version)
    config = given.model_copy(update={"root": root.uri, "version": opened.index.version})
    options = _options(config)
    shard = _deployment(ShardReplica).options(max_ongoing_requests=_SHARD_REQUESTS, **options)
    ingress = _deployment(serve.ingress()(SearchIngress)).options(max_ongoing_requests=_INGRESS_REQUESTS, **options)
    shards = [
        shard.options(name=shard_name(number)).bind(config, number) for number in range(opened.index.num_shards)
    ]
    return ingress.options(name=INGRESS).bind(config, shards)


def shard_name(number: int) -> str:
    """Return the name of a shard's deployment, the same for every version of an index."""
    return f"Shard{number:02d}"


def _deployment(kind: Any) -> Deployment:
    return cast(Deployment, serve.deployment(kind))


def _options(config: ServiceConfig) -> dict[str, Any]:
    return {
        "ray_actor_options": {"num_cpus": config.cpus_per_replica},
        "health_check_period_s": config.health_check_period_s,
        # What cannot start at the third attempt will not at the twentieth, Serve's default.
        "max_constructor_retry_count": 3,
        "graceful_shutdown_wait_loop_s": 0.2,
        "graceful_shutdown_timeout_s": 5.0,
    }
