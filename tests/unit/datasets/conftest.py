"""Small prepared datasets, committed as real artifacts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cirray.datasets import PreparedDataset
from cirray.storage import Location
from tests.artifacts import png, put_dataset

ITEMS_PER_PART = 3


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., PreparedDataset]:
    """Return a function that commits `num_items` pictures of random pixels, three a part, and two triplets.

    Item 0 is in no gallery, odd ones in that of "test", even ones in that of "train", and item 2 in both.
    """

    def make(num_items: int = 8, *, name: str = "toy", seed: int = 0) -> PreparedDataset:
        pixels = np.random.default_rng(seed).integers(0, 256, (num_items, 6, 8, 3), dtype=np.uint8)
        items = [
            {
                "item_id": f"i{number:03d}",
                "label": f"label {number}",
                "splits": {0: [], 2: ["train", "test"]}.get(number, ["test"] if number % 2 else ["train"]),
                "image": png(picture),
            }
            for number, picture in enumerate(pixels)
        ]
        triplets = {
            split: [{"query_id": f"{split}-q0", "reference_id": first, "texts": ["make it red"], "target_id": second}]
            for split, first, second in (("test", "i001", "i003"), ("train", "i002", "i004"))
        }
        return put_dataset(Location.parse(str(tmp_path / name)), name, items, triplets, part_rows=ITEMS_PER_PART)

    return make
