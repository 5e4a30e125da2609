"""The kinds of index that a shard can be, by name."""

from cirray.index.kinds import flat, hnsw, ivf
from cirray.index.kinds.kind import Dials, IndexKind, kinds

__all__ = ["Dials", "IndexKind", "flat", "hnsw", "ivf", "kinds"]
