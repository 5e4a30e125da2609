"""The HTTP face of cirray: the search API and its web page, on Ray Serve."""

from cirray.service.app import create_api
from cirray.service.backend import Backend, LocalShard, ShardClient
from cirray.service.builder import build_app, shard_name
from cirray.service.config import ServiceConfig
from cirray.service.gallery import Gallery
from cirray.service.guard import Protection
from cirray.service.keys import Keys
from cirray.service.rate import RateLimit
from cirray.service.refusals import ServiceError
from cirray.service.runner import ServiceHandle, check_host, start
from cirray.service.serving_set import ServingSet

__all__ = [
    "Backend",
    "Gallery",
    "Keys",
    "LocalShard",
    "Protection",
    "RateLimit",
    "ServiceConfig",
    "ServiceError",
    "ServiceHandle",
    "ServingSet",
    "ShardClient",
    "build_app",
    "check_host",
    "create_api",
    "shard_name",
    "start",
]
