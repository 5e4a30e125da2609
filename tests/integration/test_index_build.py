"""Builds real indexes on a real Ray from a small real dataset."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import ray
from PIL import Image

from cirray.datasets.prepared import PreparedDataset
from cirray.errors import ArtifactError, MismatchError
from cirray.index import IndexConfig, IndexVersion, Verification, build, measured, merge, shard_of
from cirray.index.build import BuildResult, build_index
from cirray.storage import Root, read_alias
from tests.artifacts import put_dataset

Vectors = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

pytestmark = [
    pytest.mark.ray,
    pytest.mark.usefixtures("ray_session"),
    # Ray Data copies its own context, deprecated settings and all, whenever a dataset is made.
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\.data\..*"),
]

# Ray's workers cannot import a test file by its name, so what it defines travels with the tasks.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

DIM = 12
NUM_ITEMS = 61
PARTS = 5
DISTINCT = 41
CONFIG = IndexConfig(num_shards=3, batch_size=4, max_embedders=2, verify_queries=30, verify_k=10)


@dataclass(frozen=True)
class ColourModel:
    """A model without weights: colours of a picture, turned; a text moves the query in a direction of its own."""

    uri: str
    name: str = "colours"
    version: str = "1"
    fingerprint: str = "c0ffee"
    dim: int = DIM

    def embed(self, images: Sequence[bytes]) -> Vectors:
        return _normalised(np.stack([_colours(image) @ _projection() for image in images]))

    def compose(self, images: Sequence[bytes], texts: Sequence[str]) -> Vectors:
        moves = np.stack([np.random.default_rng(len(text)).normal(size=DIM) for text in texts])
        return _normalised(self.embed(images) + 0.5 * moves)


class BlindModel(ColourModel):
    """Sees nothing: its vectors are not numbers."""

    def embed(self, images: Sequence[bytes]) -> Vectors:
        return np.full((len(images), DIM), np.nan, np.float32)


def _colours(image: bytes) -> Floats:
    pixels = np.asarray(Image.open(io.BytesIO(image)).convert("RGB"), np.float64) / 255
    histogram = np.histogram(pixels.mean(axis=2), bins=6, range=(0, 1))[0] / pixels[..., 0].size
    return np.concatenate([pixels.mean(axis=(0, 1)), histogram])


def _projection() -> Floats:
    return np.random.default_rng(7).normal(size=(9, DIM))


def _normalised(vectors: Floats) -> Vectors:
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _picture(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    sink = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) // (seed % 4 + 1)).save(sink, "PNG")
    return sink.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root.open(str(tmp_path))


def write_dataset(root: Root, *, with_triplets: bool = True) -> PreparedDataset:
    """Write 61 items in 5 parts, a third of the pictures seen before; each seventh item is in no gallery."""
    items = [
        {
            "item_id": f"item-{number:03d}",
            "label": f"label-{number % DISTINCT}",
            "caption": f"picture {number % DISTINCT}",
            "category": f"category {number % 3}",
            "attributes": [f"tag {number % 5}", "every"],
            "splits": [] if number % 7 == 0 else ["test"],
            "image": _picture(number % DISTINCT),
        }
        for number in range(NUM_ITEMS)
    ]
    triplets = [
        {
            "query_id": f"q{number:03d}",
            "reference_id": f"item-{number:03d}",
            "texts": ["make it " + "x" * number],
            "target_id": f"item-{(number + 1) % NUM_ITEMS:03d}",
        }
        for number in range(NUM_ITEMS)
    ]
    place = root.dataset("tiny").version("d" * 64)
    return put_dataset(place, "tiny", items, {"test": triplets} if with_triplets else None, part_rows=13)


@dataclass
class Built:
    """One index for the tests that only read."""

    root: Root
    dataset: PreparedDataset
    result: BuildResult


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Built:
    root = Root.open(str(tmp_path_factory.mktemp("built")))
    dataset = write_dataset(root)
    return Built(root, dataset, _build(root, dataset))


def _build(
    root: Root, dataset: PreparedDataset, config: IndexConfig = CONFIG, kind: type[ColourModel] = ColourModel
) -> BuildResult:
    return build_index(root, kind("memory://colours"), kind, dataset, "test", config, "things")


def test_the_shards_answer_as_plain_arithmetic_over_the_whole_gallery_does(built: Built) -> None:
    version = IndexVersion.open(built.root.index("things").open())
    shards = [version.open_shard(number) for number in range(version.num_shards)]
    gallery = {
        f"item-{number:03d}": ColourModel("").embed([_picture(number % DISTINCT)])[0].astype(np.float64)
        for number in range(NUM_ITEMS)
        if number % 7
    }
    queries = ColourModel("").compose([_picture(seed) for seed in range(8)], ["y" * n for n in range(8)])
    for query in queries:
        found = merge([shard.search(query[None], 20)[0] for shard in shards], 20)
        # Equal pictures have equal scores here too, since each is embedded on its own.
        scores = {item_id: float(vector @ query) for item_id, vector in gallery.items()}
        assert [hit.item_id for hit in found] == sorted(scores, key=lambda i: (-scores[i], i))[:20]


def test_every_item_is_in_the_shard_that_its_id_says_with_its_own_text(built: Built) -> None:
    version = IndexVersion.open(built.result.artifact)
    assert sum(version.counts) == len([n for n in range(NUM_ITEMS) if n % 7])
    for number in range(version.num_shards):
        for row in version.open_shard(number).items.to_pylist():
            item = int(row["item_id"].removeprefix("item-"))
            assert shard_of(row["item_id"], version.num_shards) == number
            assert (row["label"], row["caption"]) == (f"label-{item % DISTINCT}", f"picture {item % DISTINCT}")
            assert (row["category"], row["attributes"]) == (f"category {item % 3}", [f"tag {item % 5}", "every"])


def test_the_manifest_names_what_the_index_was_made_from(built: Built) -> None:
    artifact = built.result.artifact
    version = IndexVersion.open(artifact)
    assert built.result.built
    assert artifact.manifest.inputs == {"model": "c0ffee", "dataset": built.dataset.fingerprint}
    assert (version.details.model, version.details.dataset) == ("colours@1", "tiny@" + "d" * 16)
    assert (version.details.split, version.dim, version.num_shards) == ("test", DIM, 3)
    assert version.details.verified_queries == 30
    assert (version.details.kind, version.details.recall.at_10) == ("flat", 1.0)
    assert "18 rows a shard are at most 50,000" in version.details.why
    # A vector of 12 float32, and its share of what FAISS writes in front of them.
    assert 4 * DIM < version.details.bytes_per_vector < 4 * DIM + 10
    assert version.details.build_seconds > 0
    assert artifact.manifest.counts == {"items": sum(version.counts), "shards": 3}
    version.check_model("c0ffee")
    version.check_dataset(built.dataset.fingerprint)


def test_building_again_finds_the_index_and_starts_nothing(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "open_checked", _must_not_run)
    monkeypatch.setattr(build, "embed_gallery", _must_not_run)
    # Neither the number of embedders nor how much is verified changes the files.
    again = _build(built.root, built.dataset, CONFIG.model_copy(update={"max_embedders": 1, "verify_k": 3}))
    assert not again.built
    assert again.artifact.manifest == built.result.artifact.manifest


def test_the_same_inputs_give_the_same_bytes_whoever_embeds_first(built: Built, root: Root) -> None:
    dataset = write_dataset(root)
    alone = _build(root, dataset, CONFIG.model_copy(update={"max_embedders": 1}))
    assert alone.built
    assert alone.artifact.digest == built.result.artifact.digest


def test_shards_without_items_are_built_too_and_the_alias_follows_the_last_build(root: Root) -> None:
    dataset = write_dataset(root)
    many = _build(root, dataset, CONFIG.model_copy(update={"num_shards": 16}))
    version = IndexVersion.open(many.artifact)
    assert 0 in version.counts
    assert len(version.open_shard(version.counts.index(0))) == 0
    one = _build(root, dataset, CONFIG.model_copy(update={"num_shards": 1}))
    assert _live(root) == one.artifact.version
    assert _build(root, dataset, CONFIG.model_copy(update={"num_shards": 16})).built is False
    assert _live(root) == many.artifact.version


def test_a_catalogue_without_triplets_is_verified_on_its_own_pictures(root: Root) -> None:
    dataset = write_dataset(root, with_triplets=False)
    version = IndexVersion.open(_build(root, dataset).artifact)
    assert version.details.verified_queries == 30


def test_an_index_that_does_not_answer_as_a_flat_one_is_not_published(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = write_dataset(root)
    monkeypatch.setattr(measured, "verify_sharded", lambda *_: Verification(30, 29, 10, "query 4, rank 2: a, not b"))
    with pytest.raises(ArtifactError, match=r"1 of 30 queries differ, such as query 4, rank 2"):
        _build(root, dataset)
    assert root.index("things").versions() == []
    with pytest.raises(ArtifactError, match="There is no index"):
        root.index("things").open()


def test_a_model_whose_vectors_are_not_numbers_is_named_as_the_cause(root: Root) -> None:
    with pytest.raises(ArtifactError, match="not finite"):
        _build(root, write_dataset(root), kind=BlindModel)
    assert root.index("things").versions() == []


def test_a_split_without_items_is_an_error(root: Root) -> None:
    with pytest.raises(ArtifactError, match=r"in the gallery of split 'val'.*splits with queries are: test"):
        build_index(root, ColourModel("u"), ColourModel, write_dataset(root), "val", CONFIG, "things")
    assert root.index("things").versions() == []


def test_another_model_than_the_one_that_was_named_is_refused(root: Root) -> None:
    named = ColourModel("u", fingerprint="0ld")
    with pytest.raises(MismatchError, match=r"c0ffee.*0ld"):
        build_index(root, named, ColourModel, write_dataset(root), "test", CONFIG, "things")


def _must_not_run(*_: object) -> None:
    raise AssertionError("the index exists; nothing was to be started")


def _live(root: Root) -> str | None:
    alias = read_alias(root.index("things").place, "live")
    return alias.version if alias else None
