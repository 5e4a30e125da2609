"""Sharded FAISS indexes: exact ones that answer as one flat index would, and approximate ones of a measured recall.

Searching needs no Ray; building does, so `cirray.index.build` is imported by those who build.
"""

from cirray.index.assignment import shard_of
from cirray.index.config import IndexConfig
from cirray.index.embedder import Embedder, ModelReference, OpenEmbedder
from cirray.index.filters import Condition, Filter, Range, check_filter, mask_of, parse_filter
from cirray.index.kinds import Dials, kinds
from cirray.index.merge import merge
from cirray.index.options import Found, Hit, SearchOptions, check_width
from cirray.index.plan import Plan
from cirray.index.shard import SHARD_ITEMS, ItemText, Shard
from cirray.index.verify import Verification, verify_sharded
from cirray.index.version import IndexDetails, IndexVersion, Recall

__all__ = [
    "SHARD_ITEMS",
    "Condition",
    "Dials",
    "Embedder",
    "Filter",
    "Found",
    "Hit",
    "IndexConfig",
    "IndexDetails",
    "IndexVersion",
    "ItemText",
    "ModelReference",
    "OpenEmbedder",
    "Plan",
    "Range",
    "Recall",
    "SearchOptions",
    "Shard",
    "Verification",
    "check_filter",
    "check_width",
    "kinds",
    "mask_of",
    "merge",
    "parse_filter",
    "shard_of",
    "verify_sharded",
]
