"""Galleries to search, and an index of one written by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from cirray.index import Shard, shard_of
from cirray.index.shard import SHARD_ITEMS
from cirray.index.version import index_file, items_file
from cirray.storage import Artifact, Manifest, Root, commit, put_file

Vectors = npt.NDArray[np.float32]
MakeItems = Callable[[list[str]], pa.Table]


@pytest.fixture(scope="session")
def make_items() -> MakeItems:
    """Return a function from ids to a table of schema SHARD_ITEMS."""

    def make(item_ids: list[str]) -> pa.Table:
        columns = [item_ids, [f"label of {i}" for i in item_ids], [f"caption of {i}" for i in item_ids]]
        return pa.table([pa.array(c, pa.string()) for c in columns], schema=SHARD_ITEMS)

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
    place = Root.open(str(tmp_path)).index("things").version("f" * 64)
    files = []
    for number in range(3):
        rows = [row for row, item_id in enumerate(item_ids) if shard_of(item_id, 3) == number]
        shard = Shard.build(make_items([item_ids[row] for row in rows]), vectors[rows], 8)
        files.append(put_file(place, index_file(number), shard.index_bytes()))
        files.append(put_file(place, items_file(number), shard.items_bytes(), rows=len(shard)))
    manifest = Manifest(
        kind="index",
        name="things",
        fingerprint="f" * 64,
        inputs={"model": "aaaa1111", "dataset": "bbbb2222"},
        counts={"items": 50, "shards": 3},
        details={
            "model": "tirg@v1",
            "dataset": "css@v2",
            "split": "test",
            "num_shards": 3,
            "dim": 8,
            "factory": "Flat",
        },
        files=tuple(files),
    )
    return commit(place, manifest)
