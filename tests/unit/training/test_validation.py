"""Validation of a model in training: what `evaluate` says of its bundle, for any number of workers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from cirray.bundles import Bundle, save_bundle
from cirray.datasets import CACHE_VARIABLE, ITEMS, PreparedDataset, triplets_table
from cirray.errors import ConfigError, UnknownNameError
from cirray.evaluation import evaluate, protocols
from cirray.recipes import ValidationConfig
from cirray.storage import Artifact, Location, Manifest, commit, put_file, table_bytes
from cirray.training.validation import Validation, protocol_for
from cirray.training.world import World
from tests.small_models import SIZE, VOCABULARY, small_retriever
from tests.workers import run_workers

NUM_ITEMS, TRIPLETS = 13, 11
COMPOSERS = ("tirg-last-conv", "curling-net")
"""One that ranks by the dot product, and one that scores every pair."""
PLACE = "CIRRAY_TEST_DATASET"


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PreparedDataset:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(PLACE, str(tmp_path / "toy"))
    generator = np.random.default_rng(0)
    place = Location.parse(str(tmp_path / "toy"))
    items = pa.Table.from_pylist([item(i, generator) for i in range(NUM_ITEMS)], schema=ITEMS)
    triplets = triplets_table(
        {
            "query_id": f"q{row:03d}",
            "reference_id": f"i{generator.integers(NUM_ITEMS):03d}",
            "target_id": f"i{generator.integers(NUM_ITEMS):03d}",
            "texts": [" ".join(generator.choice(VOCABULARY.words, 3))],
        }
        for row in range(TRIPLETS)
    )
    files = (
        put_file(place, "items/part-00000.parquet", table_bytes(items), rows=NUM_ITEMS),
        put_file(place, "triplets-val/part-00000.parquet", table_bytes(triplets), rows=TRIPLETS),
    )
    return PreparedDataset(commit(place, Manifest(kind="dataset", name="toy", fingerprint="f" * 64, files=files)))


def item(index: int, generator: np.random.Generator) -> dict[str, object]:
    buffer = io.BytesIO()
    pixels = generator.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, format="PNG")
    empty = {"label": "", "category": "", "attributes": [], "width": SIZE, "height": SIZE, "caption": ""}
    return {**empty, "item_id": f"i{index:03d}", "splits": ["val"], "image": buffer.getvalue()}


def metrics_of(composer: str, world: World, dataset: PreparedDataset) -> dict[str, float]:
    validation = Validation(ValidationConfig(split="val"), dataset, VOCABULARY, world)
    return validation(small_retriever(composer).eval())


def work(world: World) -> dict[str, Any]:
    import os

    dataset = PreparedDataset(Artifact.open(Location.parse(os.environ[PLACE]), "dataset"))
    return {composer: metrics_of(composer, world, dataset) for composer in COMPOSERS}


@pytest.mark.parametrize("composer", COMPOSERS)
def test_it_is_what_evaluation_says_of_the_bundle(composer: str, dataset: PreparedDataset, tmp_path: Path) -> None:
    artifact = save_bundle(
        Location.parse(str(tmp_path / "bundle")),
        name="x",
        fingerprint="a" * 64,
        model=small_retriever(composer),
        vocabulary=VOCABULARY,
        inputs={},
        settings={},
        details={"dataset": "toy@1"},
    )
    expected = evaluate(Bundle.open(artifact), dataset, "val", protocols["standard"]).metrics
    found = metrics_of(composer, World(), dataset)
    assert found == pytest.approx(expected)
    assert found["R@10"] > 0


def test_two_workers_see_what_one_sees(dataset: PreparedDataset, tmp_path: Path) -> None:
    expected = {composer: metrics_of(composer, World(), dataset) for composer in COMPOSERS}
    found = run_workers(work, tmp_path)[2]
    assert found[0] == found[1]
    for composer in COMPOSERS:
        assert found[0][composer] == pytest.approx(expected[composer])


def test_splits_and_protocols_that_there_are_not_are_refused(dataset: PreparedDataset) -> None:
    assert protocol_for(ValidationConfig(split="val"), dataset).name == "standard"
    with pytest.raises(ConfigError, match=r"'dev'; dataset 'toy' has the splits val.*null"):
        protocol_for(ValidationConfig(split="dev"), dataset)
    with pytest.raises(ConfigError, match=r"'R@7'; the metrics of protocol 'standard' are R@1, "):
        protocol_for(ValidationConfig(split="val", metric="R@7"), dataset)
    with pytest.raises(UnknownNameError):
        protocol_for(ValidationConfig(split="val", protocol="none-such"), dataset)
