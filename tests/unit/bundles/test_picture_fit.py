"""One fit everywhere: training, evaluation, index and queries see the same pixels of a picture."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from cirray.bundles import Bundle, save_bundle
from cirray.bundles.evaluations import MEASURING_CODE
from cirray.composers import Retriever
from cirray.config import override
from cirray.datasets import Fit, Pixels, PreparedDataset, open_source, to_pixels
from cirray.datasets.cache_space import CACHE_VARIABLE
from cirray.encoders import Vocabulary
from cirray.evaluation import evaluate, protocols
from cirray.recipes import recipes
from cirray.storage import Location
from cirray.training import worker
from cirray.training.identity import DECIDING_CODE
from tests.artifacts import png, put_dataset

FITS: tuple[Fit, ...] = get_args(Fit)
SIZE = (16, 16)
VOCABULARY = Vocabulary.of(["make circle red"])
ITEMS = 4


@pytest.fixture(params=FITS)
def fit(request: pytest.FixtureRequest) -> Fit:
    found: Fit = request.param
    return found


@pytest.fixture
def pictures() -> list[bytes]:
    generator = np.random.default_rng(0)
    return [png(generator.integers(0, 256, (20, 30 + 5 * n, 3), dtype=np.uint8)) for n in range(ITEMS)]


@pytest.fixture
def dataset(pictures: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PreparedDataset:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    items = [{"item_id": f"i{n}", "splits": ["train", "test"], "image": data} for n, data in enumerate(pictures)]
    triplet = {"query_id": "q", "reference_id": "i0", "texts": ["make circle red"], "target_id": "i1"}
    return put_dataset(Location.parse(str(tmp_path / "wide")), "wide", items, {"test": [triplet]}, part_rows=3)


def run_config(fit: Fit, *assignments: str) -> Any:
    size = [f"model.preprocessing.height={SIZE[0]}", f"model.preprocessing.width={SIZE[1]}"]
    return override(
        recipes["css-2d/tirg-last-conv"](),
        [*size, f"model.preprocessing.fit={fit}", "model.composer.dim=8", *assignments],
    )


def bundle_of(fit: Fit, place: Path) -> Bundle:
    artifact = save_bundle(
        Location.parse(str(place / "bundle")),
        name="m",
        fingerprint="f" * 64,
        model=Retriever(run_config(fit).model, VOCABULARY),
        vocabulary=VOCABULARY,
        inputs={},
        settings={},
        details={"dataset": "d@1"},
    )
    return Bundle.open(artifact)


def expected_pixels(pictures: list[bytes], fit: Fit) -> Pixels:
    return np.stack([to_pixels(Image.open(io.BytesIO(data)), *SIZE, fit) for data in pictures])


def test_an_index_and_queries_see_the_fit(pictures: list[bytes], fit: Fit, tmp_path: Path) -> None:
    bundle, pixels = bundle_of(fit, tmp_path), expected_pixels(pictures, fit)
    assert (bundle.image_size, bundle.image_fit) == (SIZE, fit)
    np.testing.assert_array_equal(bundle.embed(pictures), bundle.embed_pixels(pixels))
    texts = ["make circle red"] * ITEMS
    np.testing.assert_array_equal(bundle.compose(pictures, texts), bundle.compose_pixels(pixels, texts))


def test_evaluation_sees_the_fit(
    dataset: PreparedDataset, pictures: list[bytes], fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, seen = bundle_of(fit, tmp_path), []
    embed = Bundle.embed_pixels

    def watched(self: Bundle, pixels: Pixels) -> Any:
        seen.append(np.array(pixels))
        return embed(self, pixels)

    monkeypatch.setattr(Bundle, "embed_pixels", watched)
    evaluate(bundle, dataset, "test", protocols["standard"])
    np.testing.assert_array_equal(np.concatenate(seen), expected_pixels(pictures, fit))


@pytest.mark.parametrize("how", ["cache", "stream"])
def test_training_sees_the_fit(
    dataset: PreparedDataset, pictures: list[bytes], fit: Fit, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.train.get_context", lambda: SimpleNamespace(get_local_world_size=lambda: 1))
    monkeypatch.setattr(worker, "uses_triplets", lambda config: False)
    monkeypatch.setattr(worker, "make_sampler", lambda *_: SimpleNamespace(steps=lambda batch_size: 1))
    config = run_config(fit, f"training.pixels={how}")
    data = worker._open_data(config, dataset, VOCABULARY)
    assert data.pixels.kind == how
    np.testing.assert_array_equal(data.pixels[np.arange(ITEMS)], expected_pixels(pictures, fit))
    data.pixels.close()


def test_each_fit_has_a_cache_of_its_own(dataset: PreparedDataset, pictures: list[bytes], tmp_path: Path) -> None:
    for fit in (*FITS, *FITS):
        source = open_source(dataset, SIZE, "cache", fit=fit)
        np.testing.assert_array_equal(source[np.arange(ITEMS)], expected_pixels(pictures, fit))
        source.close()
    assert len(list((tmp_path / "cache").glob("*.npy"))) == len(FITS)


def test_bundles_from_before_there_were_fits_stretch() -> None:
    settings = run_config("crop").model.model_dump(mode="json")
    del settings["preprocessing"]["fit"]
    assert type(run_config("crop").model).model_validate(settings, strict=False).preprocessing.fit == "stretch"


def test_a_change_of_the_fits_makes_other_models_and_records() -> None:
    assert "cirray.datasets.fitting" in DECIDING_CODE
    assert "cirray.datasets.fitting" in MEASURING_CODE
