"""Vectors as a trained model gives them: in clusters, with queries a little way off."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cirray.index import SHARD_ITEMS

Vectors = npt.NDArray[np.float32]

CATEGORIES = ("dress", "shirt", "shoe", "bag", "hat")
TAGS = ("red", "blue", "long", "short", "new", "sale", "rare")


def unit(vectors: npt.NDArray[np.float64]) -> Vectors:
    """Return the vectors at length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def clustered(count: int, dim: int, seed: int, *, clusters: int = 50, queries: int = 60) -> tuple[Vectors, Vectors]:
    """Return `count` vectors around centres, and queries that lie further from those than the vectors do."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(clusters, dim))
    vectors = centres[rng.integers(0, clusters, count)] + 0.6 * rng.normal(size=(count, dim))
    asked = centres[rng.integers(0, clusters, queries)] + 0.8 * rng.normal(size=(queries, dim))
    return unit(vectors), unit(asked)


def items_of(count: int, seed: int = 0) -> pa.Table:
    """Return items i000000, i000001, … of random categories and tags; "rare" is a tag of one in a hundred."""
    rng = np.random.default_rng(seed)
    chances = [0.3, 0.3, 0.3, 0.3, 0.6, 0.2, 0.01]
    rows = [
        {
            "item_id": f"i{number:06d}",
            "label": f"label {number // 2}",
            "caption": f"item {number}",
            "category": CATEGORIES[rng.integers(0, len(CATEGORIES))],
            "attributes": [tag for tag, chance in zip(TAGS, chances, strict=True) if rng.random() < chance],
        }
        for number in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=SHARD_ITEMS)
