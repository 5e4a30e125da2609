"""Which shard an item belongs to."""

from __future__ import annotations

import hashlib


def shard_of(item_id: str, num_shards: int) -> int:
    """Return the shard, 0 to `num_shards` - 1, of an item: the same on every machine and in every process.

    Python's own `hash` of a string differs from process to process, so it cannot say where an item is.
    """
    digest = hashlib.blake2b(item_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % num_shards
