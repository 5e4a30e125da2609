"""Settings of a service."""

from __future__ import annotations

from pydantic import Field

from cirray.config import Config
from cirray.service.guard import OpenTo


class ServiceConfig(Config):
    """What is served, and with how much.

    The arguments of `build_app`, which is to say the `args` of an application in a Serve config file. How many
    replicas each deployment has is Serve's own business, set there under `deployments`.

    Attributes:
        root: URI of the root.
        index: name of the index. The model and the dataset that it was built with are served with it.
        version: of the index; None takes the one that its alias "live" points at when the application is built.
        cpus_per_replica: CPUs that each replica reserves with Ray.
        ingress_threads: CPU threads that the model uses in an ingress replica.
        shard_threads: CPU threads that FAISS uses in a shard's replica.
        default_timeout_ms: time for a search that does not say how long it may take.
        min_coverage: share of the shards that must have answered for an answer to be given.
        open_to: whom the service answers where it has no keys: callers of the proxy's own machine ("loopback"), or
            "everyone", where something in front of it checks its callers. The keys themselves are never a setting:
            they come from the environment, see `Keys.from_environment`.
        requests_per_second: that each key, or each address where there are no keys, may send to one ingress replica
            in the long run; None for any number. What only looks, a GET, counts as a tenth.
        burst: how many of them at once.
        max_requests: that one ingress replica works on at a time; what comes beyond is answered "overloaded".
        max_batch: queries that an ingress replica composes together at most. Together, the last bits of a vector
            depend on the company it was made in; 1 makes every answer the same to the last bit, at any load.
        max_queued_per_shard: requests that wait for one shard in each ingress replica, beyond which it counts as
            overloaded.
        health_check_period_s: seconds between two health checks; a dead replica is noticed after one.
    """

    root: str = Field(min_length=1)
    index: str = Field(min_length=1)
    version: str | None = None
    cpus_per_replica: float = Field(default=0.1, ge=0, le=1024)
    ingress_threads: int = Field(default=1, ge=1, le=1024)
    shard_threads: int = Field(default=1, ge=1, le=1024)
    default_timeout_ms: int = Field(default=5_000, ge=1, le=30_000)
    min_coverage: float = Field(default=0.5, ge=0, le=1)
    open_to: OpenTo = "loopback"
    requests_per_second: float | None = Field(default=None, gt=0, le=1e6)
    burst: int = Field(default=100, ge=1, le=1_000_000)
    max_requests: int = Field(default=64, ge=1, le=100_000)
    max_batch: int = Field(default=16, ge=1, le=256)
    max_queued_per_shard: int = Field(default=64, ge=1, le=100_000)
    health_check_period_s: float = Field(default=2.0, gt=0)
