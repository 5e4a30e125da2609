"""Galleries to search, and an index of one written by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from cirray.index.shard import SHARD_ITEMS
from cirray.storage import Artifact, Root
from tests.artifacts import put_index

Vectors = npt.NDArray[np.float32]
MakeItems = Callable[[list[str]], pa.Table]


@pytest.fixture(scope="session")
def make_items() -> MakeItems:
    """Return a function from ids to a table of schema SHARD_ITEMS."""

    def make(item_ids: list[str]) -> pa.Table:
        rows = [
            {
                "item_id": i,
                "label": f"label of {i}",
                "caption": f"caption of {i}",
                "category": f"category {i[-1]}",
                "attributes": [f"tag {i[-1]}", f"tag {i[-2:]}"],
            }
            for i in item_ids
        ]
        return pa.Table.from_pylist(rows, schema=SHARD_ITEMS)

    return make


@pytest.fixture(scope="session")
def gallery() -> tuple[list[str], Vectors]:
    """50 items of 8 dimensions, in which every fifth vector comes twice."""
    vectors = np.random.default_rng(11).normal(size=(50, 8))
    vectors[::5] = vectors[1::5]
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return [f"item-{number:03d}" for number in range(50)], unit


@pytest.fixture
def index(tmp_path: Path, gallery: tuple[list[str], Vectors], make_items: MakeItems) -> Artifact:
    """The gallery as a committed index of three shards."""
    item_ids, vectors = gallery
    return put_index(
        Root.open(str(tmp_path)).index("things").version("f" * 64),
        "things",
        make_items(item_ids),
        vectors,
        num_shards=3,
        inputs={"model": "aaaa1111", "dataset": "bbbb2222"},
    )
