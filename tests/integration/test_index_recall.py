"""Builds approximate indexes on a real Ray: what they are worth is measured, and decides whether they go live."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import ray

from cirray.datasets.prepared import PreparedDataset
from cirray.errors import LowRecallError
from cirray.index import Dials, IndexConfig, IndexVersion, SearchOptions, merge
from cirray.index.build import BuildResult, build_index
from cirray.storage import Root, read_alias
from tests.artifacts import plain_png, put_dataset

Vectors = npt.NDArray[np.float32]

pytestmark = [
    pytest.mark.ray,
    pytest.mark.usefixtures("ray_session"),
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\.data\..*"),
]

# Ray's workers cannot import a test file by its name, so what it defines travels with the tasks.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

DIM, NUM_ITEMS, QUERIES = 16, 700, 60


@dataclass(frozen=True)
class HashModel:
    """A model that gives each picture a random direction of its own, and each text a small move."""

    uri: str
    name: str = "hash"
    version: str = "1"
    fingerprint: str = "c0ffee"
    dim: int = DIM

    def embed(self, images: Sequence[bytes]) -> Vectors:
        return _unit(np.stack([np.random.default_rng(list(image)).normal(size=DIM) for image in images]))

    def compose(self, images: Sequence[bytes], texts: Sequence[str]) -> Vectors:
        moves = np.stack([np.random.default_rng(len(text)).normal(size=DIM) for text in texts])
        return _unit(self.embed(images) + 0.3 * moves)


def _unit(vectors: npt.NDArray[np.float64]) -> Vectors:
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


@dataclass
class Shop:
    root: Root
    dataset: PreparedDataset

    def build(self, config: IndexConfig) -> BuildResult:
        return build_index(self.root, HashModel("memory://hash"), HashModel, self.dataset, "test", config, "things")

    def live(self) -> str | None:
        alias = read_alias(self.root.index("things").place, "live")
        return alias.version if alias else None


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Shop:
    root = Root.open(str(tmp_path_factory.mktemp("recall")))
    items = [
        {
            "item_id": f"item-{number:04d}",
            "category": "even" if number % 2 == 0 else "odd",
            "splits": ["test"],
            "image": plain_png((number % 256, number // 256, 7), (2, 2)),
        }
        for number in range(NUM_ITEMS)
    ]
    triplets = [
        {
            "query_id": f"q{number:04d}",
            "reference_id": f"item-{number * 7:04d}",
            "texts": ["more " + "x" * number],
            "target_id": "item-0000",
        }
        for number in range(QUERIES)
    ]
    place = root.dataset("shop").version("d" * 64)
    return Shop(root, put_dataset(place, "shop", items, {"test": triplets}, part_rows=250))


def config(kind: str, dials: Dials | None = None, min_recall: float = 0.95) -> IndexConfig:
    return IndexConfig(
        num_shards=2,
        kind=kind,
        dials=dials or Dials(),
        min_recall=min_recall,
        recall_queries=QUERIES,
        max_embedders=2,
    )


@pytest.mark.parametrize("kind", ["hnsw", "ivf-flat", "ivf-sq8"])
def test_an_approximate_index_is_measured_raised_and_goes_live(shop: Shop, kind: str) -> None:
    result = shop.build(config(kind))
    version = IndexVersion.open(result.artifact)
    details = version.details
    assert (result.built, result.live, shop.live()) == (True, True, result.artifact.version)
    assert (details.kind, details.why, details.verified_queries) == (kind, "asked for by name", 0)
    assert details.recall.at_10 >= 0.95
    assert (details.recall.queries, details.recall.asked, details.recall.least) == (QUERIES, "composed", 0.95)
    assert details.bytes_per_vector > 3 * DIM
    shards = [version.open_shard(number) for number in range(2)]
    assert all(shard.base.dials == details.dials and not shard.base.is_flat for shard in shards)
    assert _recall(shop, version) == pytest.approx(details.recall.at_10)
    again = shop.build(config(kind))
    assert (again.built, again.live) == (False, True)


def test_an_index_that_misses_its_recall_is_kept_and_does_not_go_live(shop: Shop) -> None:
    flat = shop.build(config("flat"))
    assert shop.live() == flat.artifact.version
    missing = shop.build(config("ivf-sq8", Dials(nprobe=1, refine=1)))
    assert (missing.built, missing.live, shop.live()) == (True, False, flat.artifact.version)
    low = IndexVersion.open(shop.root.index("things").open(missing.artifact.version))
    assert low.details.recall.at_10 < 0.95
    assert low.details.dials.nprobe == 1
    with pytest.raises(
        LowRecallError, match=rf"finds {low.details.recall.at_10:.4f} of the ten best.*at least 0\.95"
    ):
        low.check_recall()
    # Nor when it is found again.
    again = shop.build(config("ivf-sq8", Dials(nprobe=1, refine=1)))
    assert (again.built, again.live, shop.live()) == (False, False, flat.artifact.version)
    lower = shop.build(config("ivf-sq8", Dials(nprobe=1, refine=1), min_recall=0.1))
    assert (lower.live, shop.live()) == (True, lower.artifact.version)


def _recall(shop: Shop, version: IndexVersion) -> float:
    """Count, one query after the other, by plain arithmetic over the whole gallery."""
    model = HashModel("")
    ids = shop.dataset.items["item_id"].to_pylist()
    gallery = model.embed([shop.dataset.image(item_id) for item_id in ids]).astype(np.float64)
    shards = [version.open_shard(number) for number in range(version.num_shards)]
    found = 0
    for row in shop.dataset.triplets("test").to_pylist():
        query = model.compose([shop.dataset.image(row["reference_id"])], row["texts"])
        order = [ids[place] for place in np.argsort(-(gallery @ query[0].astype(np.float64)))]
        best = [item_id for item_id in order if item_id != row["reference_id"]][:10]
        each = [shard.find(query, [SearchOptions(10, [row["reference_id"]])])[0].hits for shard in shards]
        found += len({hit.item_id for hit in merge(each, 10)} & set(best))
    return found / (10 * QUERIES)
