"""Builds real indexes on a real Ray from a small real dataset."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from PIL import Image

from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.schema import ITEMS, TRIPLETS
from cirray.errors import ArtifactError, MismatchError
from cirray.index import IndexConfig, IndexVersion, Verification, merge, shard_of
from cirray.index.build import BuildResult, build_index
from cirray.storage import Manifest, Root, commit, put_file, read_alias

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

# Ray's workers cannot import a test file by its name, so what it defines travels with the tasks.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

DIM = 12
NUM_ITEMS = 61
PARTS = 5
CONFIG = IndexConfig(num_shards=3, batch_size=4, max_embedders=2, verify_queries=30, verify_k=10)


@dataclass(frozen=True)
class ColourModel:
    """A model without weights: colours of a picture, turned; a text moves the query in a direction of its own."""

    uri: str
    name: str = "colours"
    version: str = "1"
    fingerprint: str = "c0ffee"
    dim: int = DIM

    def embed(self, images: Sequence[bytes]) -> np.ndarray:
        return _normalised(np.stack([_colours(image) for image in images]) @ _projection())

    def compose(self, images: Sequence[bytes], texts: Sequence[str]) -> np.ndarray:
        moves = np.stack([np.random.default_rng(len(text)).normal(size=DIM) for text in texts])
        return _normalised(self.embed(images) + 0.5 * moves)


class BlindModel(ColourModel):
    """Sees nothing: its vectors are not numbers."""

    def embed(self, images: Sequence[bytes]) -> np.ndarray:
        return np.full((len(images), DIM), np.nan, np.float32)


def _colours(image: bytes) -> np.ndarray:
    pixels = np.asarray(Image.open(io.BytesIO(image)).convert("RGB"), np.float64) / 255
    histogram = np.histogram(pixels.mean(axis=2), bins=6, range=(0, 1))[0] / pixels[..., 0].size
    return np.concatenate([pixels.mean(axis=(0, 1)), histogram])


def _projection() -> np.ndarray:
    return np.random.default_rng(7).normal(size=(9, DIM))


def _normalised(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _picture(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    sink = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) // (seed % 4 + 1)).save(sink, "PNG")
    return sink.getvalue()


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root.open(str(tmp_path))


@pytest.fixture
def dataset(root: Root) -> PreparedDataset:
    """61 items in 5 parts, every third picture seen before; each seventh item is in no gallery."""
    items = [
        {
            "item_id": f"item-{number:03d}",
            "label": f"label-{number % 41}",
            "caption": f"picture {number % 41}",
            "splits": [] if number % 7 == 0 else ["test"],
            "width": 8,
            "height": 8,
            "image": _picture(number % 41),
        }
        for number in range(NUM_ITEMS)
    ]
    triplets = [
        {
            "query_id": f"q{number:03d}",
            "reference_id": f"item-{number:03d}",
            "text": "make it " + "x" * number,
            "target_id": f"item-{(number + 1) % NUM_ITEMS:03d}",
        }
        for number in range(NUM_ITEMS)
    ]
    place = root.dataset("tiny").version("d" * 64)
    files = [
        put_file(
            place,
            f"items/part-{part:05d}.parquet",
            _parquet(pa.Table.from_pylist(items[part * 13 : part * 13 + 13], ITEMS)),
            rows=len(items[part * 13 : part * 13 + 13]),
        )
        for part in range(PARTS)
    ]
    files.append(
        put_file(
            place, "triplets-test/part-00000.parquet", _parquet(pa.Table.from_pylist(triplets, TRIPLETS))
        )
    )
    return PreparedDataset(commit(place, Manifest(kind="dataset", name="tiny", fingerprint="d" * 64, files=files)))


def _build(root: Root, dataset: PreparedDataset, config: IndexConfig = CONFIG) -> BuildResult:
    model = ColourModel("memory://colours")
    return build_index(root, model, ColourModel, dataset, "test", config, "things")


def test_the_shards_hold_the_gallery_and_answer_as_plain_float64_arithmetic_does(
    root: Root, dataset: PreparedDataset
) -> None:
    result = _build(root, dataset)
    assert result.built
