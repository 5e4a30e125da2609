"""Sharded FAISS indexes that answer exactly as one flat index would.

Searching needs no Ray; building does, so `cirray.index.build` is imported by those who build.
"""

from cirray.index.assignment import shard_of
from cirray.index.config import IndexConfig
from cirray.index.embedder import Embedder, ModelReference, OpenEmbedder
from cirray.index.merge import merge
from cirray.index.shard import Hit, ItemText, Shard
from cirray.index.verify import Verification, verify_sharded
from cirray.index.version import IndexDetails, IndexVersion

__all__ = [
    "Embedder",
    "Hit",
    "IndexConfig",
    "IndexDetails",
    "IndexVersion",
    "ItemText",
    "ModelReference",
    "OpenEmbedder",
    "Shard",
    "Verification",
    "merge",
    "shard_of",
    "verify_sharded",
]
