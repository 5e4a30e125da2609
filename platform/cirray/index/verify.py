"""Whether the shards together answer as one flat index does."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cirray.index.embedder import Vectors
from cirray.index.merge import merge
from cirray.index.options import Hit
from cirray.index.shard import Shard
from cirray.index.version import IndexVersion


@dataclass(frozen=True)
class Verification:
    """How sharded search compares with one flat index.

    Attributes:
        num_queries: queries that were asked.
        num_equal: those whose hits had the same ids in the same order.
        k: how many hits were asked for.
        first_difference: what differed in the first query that did; empty where none did.
    """

    num_queries: int
    num_equal: int
    k: int
    first_difference: str = ""

    @property
    def holds(self) -> bool:
        """Whether every query was answered alike."""
        return self.num_equal == self.num_queries


def verify_sharded(
    version: IndexVersion, queries: Vectors, k: int, exclude: Sequence[Collection[str]] | None = None
) -> Verification:
    """Compare the merged answers of all shards with those of one flat index of all their vectors.

    Holds the vectors of all shards in memory twice.

    Args:
        version: the index.
        queries: (Q, D) float32, L2-normalised.
        k: how many hits of each query are compared.
        exclude: for each query, ids that must not be among its hits.

    Raises:
        ArtifactError: a shard is not what the manifest lists, or two shards hold the same item.
        StorageError: a shard cannot be read.
    """
    shards = [version.open_shard(number) for number in range(version.num_shards)]
    flat = flatten(shards, version.dim).search(queries, k, exclude)
    answers = [shard.search(queries, k, exclude) for shard in shards]
    merged = [merge(per_shard, k) for per_shard in zip(*answers, strict=True)]
    differing = [query for query in range(len(queries)) if _ids(merged[query]) != _ids(flat[query])]
    first = differing[0] if differing else None
    return Verification(
        num_queries=len(queries),
        num_equal=len(queries) - len(differing),
        k=k,
        first_difference="" if first is None else _difference(first, merged[first], flat[first]),
    )


def flatten(shards: Sequence[Shard], dim: int) -> Shard:
    """Return one flat index of everything that the shards hold."""
    items = pa.concat_tables([shard.items for shard in shards])
    return Shard.build(items, np.concatenate([shard.vectors() for shard in shards]), dim)


def _ids(hits: list[Hit]) -> list[str]:
    return [hit.item_id for hit in hits]


def _difference(query: int, merged: list[Hit], flat: list[Hit]) -> str:
    for rank, (ours, reference) in enumerate(zip(merged, flat, strict=False), start=1):
        if ours.item_id != reference.item_id:
            return (
                f"query {query}, rank {rank}: {ours.item_id!r} from the shards, {reference.item_id!r} from one index"
            )
    return f"query {query}: {len(merged)} hits from the shards, {len(flat)} from one index"
