"""Small prepared datasets, committed as real artifacts."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from cirray.datasets import ITEMS, PreparedDataset, triplets_table
from cirray.datasets.raw import table_bytes
from cirray.storage import Location, Manifest, commit, put_file

ITEMS_PER_PART = 3


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., PreparedDataset]:
    """Return a function that commits `num_items` pictures of random pixels, three a part, and two triplets.

    Item 0 is in no gallery, odd ones in that of "test", even ones in that of "train", and item 2 in both.
    """

    def make(num_items: int = 8, *, name: str = "toy", seed: int = 0) -> PreparedDataset:
        place = Location.parse(str(tmp_path / name))
        pixels = np.random.default_rng(seed).integers(0, 256, (num_items, 6, 8, 3), dtype=np.uint8)
        files = []
        for start in range(0, num_items, ITEMS_PER_PART):
            rows = [_item(i, pixels[i]) for i in range(start, min(start + ITEMS_PER_PART, num_items))]
            table = pa.Table.from_pylist(rows, schema=ITEMS)
            part = f"items/part-{start // ITEMS_PER_PART:05d}.parquet"
            files.append(put_file(place, part, table_bytes(table), rows=table.num_rows))
        for split, pair in {"test": ("i001", "i003"), "train": ("i002", "i004")}.items():
            row = {"query_id": f"{split}-q0", "reference_id": pair[0], "texts": ["make it red"], "target_id": pair[1]}
            table = triplets_table([row])
            files.append(put_file(place, f"triplets-{split}/part-00000.parquet", table_bytes(table), rows=1))
        manifest = Manifest(kind="dataset", name=name, fingerprint="f" * 64, files=tuple(files))
        return PreparedDataset(commit(place, manifest))

    return make


def _item(index: int, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> dict[str, object]:
    splits = {0: [], 2: ["train", "test"]}.get(index, ["test"] if index % 2 else ["train"])
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return {
        "item_id": f"i{index:03d}",
        "label": f"label {index}",
        "caption": "",
        "category": "",
        "attributes": [],
        "splits": splits,
        "width": 8,
        "height": 6,
        "image": buffer.getvalue(),
    }
