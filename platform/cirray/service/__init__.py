"""The HTTP face of cirray: the search API and its web page, on Ray Serve."""

from cirray.service.app import create_api
from cirray.service.backend import Backend, LocalShard, ShardClient
from cirray.service.builder import build_app, shard_name
from cirray.service.config import ServiceConfig
from cirray.service.gallery import Gallery
from cirray.service.refusals import ServiceError
from cirray.service.runner import ServiceHandle, start
from cirray.service.serving_set import ServingSet

__all__ = [
    "Backend",
    "Gallery",
    "LocalShard",
    "ServiceConfig",
    "ServiceError",
    "ServiceHandle",
    "ServingSet",
    "ShardClient",
    "build_app",
    "create_api",
    "shard_name",
    "start",
]
