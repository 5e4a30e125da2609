"""A small dataset, a model and an index that belong together."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cirray.datasets.prepared import PreparedDataset
from cirray.index import IndexVersion, Shard
from cirray.search import SearchEngine
from cirray.storage import Root
from tests.artifacts import plain_png, put_dataset, put_index

Vectors = npt.NDArray[np.float32]
NUM_ITEMS = 24
NUM_SHARDS = 3


class ColourModel:
    """Knows colours only: a picture is its mean colour, and each word of the text adds one."""

    fingerprint = "aaaa1111"
    words: ClassVar[dict[str, int]] = {"red": 0, "green": 1, "blue": 2}

    def embed(self, images: Sequence[bytes]) -> Vectors:
        means = [np.asarray(Image.open(io.BytesIO(i)).convert("RGB"), np.float64).mean((0, 1)) for i in images]
        return _unit(np.array(means) + 1.0)

    def compose(self, images: Sequence[bytes], texts: Sequence[str]) -> Vectors:
        moved = self.embed(images).astype(np.float64)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text):
                if word in self.words:
                    moved[row, self.words[word]] += 1.0
        return _unit(moved)

    def unknown_words(self, text: str) -> list[str]:
        return [word for word in re.findall(r"\w+", text) if word not in self.words]


def _unit(vectors: npt.NDArray[np.float64]) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


@dataclass(frozen=True)
class Shop:
    """What a search needs, and the pictures of the gallery in the order of the ids item-00, item-01, …"""

    model: ColourModel
    dataset: PreparedDataset
    version: IndexVersion
    shards: list[Shard]
    pictures: dict[str, bytes]

    def engine(self, model: ColourModel | None = None) -> SearchEngine:
        return SearchEngine(model or self.model, self.dataset, self.version, self.shards)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    root = Root.open(str(tmp_path_factory.mktemp("shop")))
    rng = np.random.default_rng(5)
    colours = [tuple(int(c) for c in rng.integers(0, 256, 3)) for _ in range(NUM_ITEMS)]
    # The last two items show the same picture.
    colours[-1] = colours[-2]
    pictures = {f"item-{n:02d}": plain_png((c[0], c[1], c[2])) for n, c in enumerate(colours)}
    dataset = _write_dataset(root, pictures)
    version = _write_index(root, dataset, pictures)
    shards = [version.open_shard(number) for number in range(NUM_SHARDS)]
    return Shop(ColourModel(), dataset, version, shards, pictures)


def _write_dataset(root: Root, pictures: dict[str, bytes]) -> PreparedDataset:
    items = [
        {
            "item_id": item_id,
            "label": f"label of {item_id}",
            "caption": f"caption of {item_id}",
            "splits": ["test"],
            "image": picture,
        }
        for item_id, picture in pictures.items()
    ]
    return put_dataset(root.dataset("shop").version("d" * 64), "shop", items)


def _write_index(root: Root, dataset: PreparedDataset, pictures: dict[str, bytes]) -> IndexVersion:
    artifact = put_index(
        root.index("shop").version("e" * 64),
        "shop",
        dataset.items,
        ColourModel().embed(list(pictures.values())),
        num_shards=NUM_SHARDS,
        inputs={"model": ColourModel.fingerprint, "dataset": dataset.fingerprint},
        model="colours@1",
        dataset="shop@2",
    )
    return IndexVersion.open(artifact)
