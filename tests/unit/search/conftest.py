"""A small dataset, a model and an index that belong together."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.schema import ITEMS
from cirray.index import IndexVersion, Shard, shard_of
from cirray.index.shard import SHARD_ITEMS
from cirray.index.version import index_file, items_file
from cirray.search import SearchEngine
from cirray.storage import Manifest, Root, commit, put_file

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


def png(colour: tuple[int, int, int], size: tuple[int, int] = (4, 4)) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", size, colour).save(sink, "PNG")
    return sink.getvalue()


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
    pictures = {f"item-{n:02d}": png((c[0], c[1], c[2])) for n, c in enumerate(colours)}
    dataset = _write_dataset(root, pictures)
    version, shards = _write_index(root, dataset, pictures)
    return Shop(ColourModel(), dataset, version, shards, pictures)


def _write_dataset(root: Root, pictures: dict[str, bytes]) -> PreparedDataset:
    place = root.dataset("shop").version("d" * 64)
    rows = [
        {
            "item_id": item_id,
            "label": f"label of {item_id}",
            "caption": f"caption of {item_id}",
            "category": "",
            "attributes": [],
            "splits": ["test"],
            "width": 4,
            "height": 4,
            "image": picture,
        }
        for item_id, picture in pictures.items()
    ]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, ITEMS), sink)
    entry = put_file(place, "items/part-00000.parquet", sink.getvalue(), rows=len(rows))
    manifest = Manifest(kind="dataset", name="shop", fingerprint="d" * 64, files=(entry,))
    return PreparedDataset(commit(place, manifest))


def _write_index(
    root: Root, dataset: PreparedDataset, pictures: dict[str, bytes]
) -> tuple[IndexVersion, list[Shard]]:
    place = root.index("shop").version("e" * 64)
    shards, files = [], []
    for number in range(NUM_SHARDS):
        own = [item_id for item_id in pictures if shard_of(item_id, NUM_SHARDS) == number]
        items = dataset.items.select(SHARD_ITEMS.names).filter(pa.array([i in own for i in pictures]))
        shard = Shard.build(items, ColourModel().embed([pictures[i] for i in own]), 3)
        files.append(put_file(place, index_file(number), shard.index_bytes()))
        files.append(put_file(place, items_file(number), shard.items_bytes(), rows=len(shard)))
        shards.append(shard)
    manifest = Manifest(
        kind="index",
        name="shop",
        fingerprint="e" * 64,
        inputs={"model": ColourModel.fingerprint, "dataset": dataset.fingerprint},
        details={
            "model": "colours@1",
            "dataset": "shop@2",
            "split": "test",
            "num_shards": NUM_SHARDS,
            "dim": 3,
            "factory": "Flat",
        },
        files=tuple(files),
    )
    return IndexVersion.open(commit(place, manifest)), shards
