"""Batches: the same bit for bit from cache and stream, for any number of workers, and from any step on."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from cirray.config import override
from cirray.datasets import CACHE_VARIABLE, ITEMS, PreparedDataset, open_source, triplets_table
from cirray.encoders import Vocabulary
from cirray.errors import ArtifactError, DataError
from cirray.objectives import Batch
from cirray.objectives.batch_classification import BatchClassification
from cirray.recipes import RunConfig, recipes
from cirray.storage import Artifact, Location, Manifest, commit, put_file, table_bytes
from cirray.training.data import TrainingData, make_sampler, training_texts
from cirray.training.world import World

NUM_ITEMS, TRIPLETS, BATCH, STEPS = 12, 40, 8, 5
AUGMENTATIONS = "[{name: random-crop}, {name: resized-crop}, {name: horizontal-flip, which: both}]"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def dataset(tmp_path: Path) -> PreparedDataset:
    generator = np.random.default_rng(0)
    place = Location.parse(str(tmp_path / "toy"))
    rows = [item(i, generator.integers(0, 256, (20, 24, 3), dtype=np.uint8)) for i in range(NUM_ITEMS)]
    parts = [pa.Table.from_pylist(rows[start : start + 5], schema=ITEMS) for start in range(0, NUM_ITEMS, 5)]
    files = [
        put_file(place, f"items/part-{n:05d}.parquet", table_bytes(p), rows=p.num_rows) for n, p in enumerate(parts)
    ]
    triplets = triplets_table(
        {
            "query_id": f"q{row:03d}",
            "reference_id": f"i{generator.integers(NUM_ITEMS):03d}",
            "target_id": f"i{generator.integers(NUM_ITEMS):03d}",
            "texts": [f"make it {word}" for word in generator.choice(["red", "blue", "very long"], 2)],
        }
        for row in range(TRIPLETS)
    )
    files.append(put_file(place, "triplets-train/part-00000.parquet", table_bytes(triplets), rows=TRIPLETS))
    return PreparedDataset(
        commit(place, Manifest(kind="dataset", name="toy", fingerprint="f" * 64, files=tuple(files)))
    )


def item(index: int, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> dict[str, object]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    empty = {"label": "", "category": "", "attributes": [], "width": 24, "height": 20}
    caption = f"{('red', 'blue', 'green')[index % 3]} dress"
    return {**empty, "item_id": f"i{index:03d}", "caption": caption, "splits": ["train"], "image": buffer.getvalue()}


def config(*assignments: str) -> RunConfig:
    size = ("model.preprocessing.height=16", "model.preprocessing.width=16", f"training.batch_size={BATCH}")
    return override(recipes["css-2d/tirg-last-conv"](), [*size, *assignments])


def data(run: RunConfig, dataset: PreparedDataset) -> TrainingData:
    sampler = make_sampler(run, dataset)
    pixels = open_source(dataset, run.model.preprocessing.size, run.training.pixels)
    return TrainingData(run, sampler, Vocabulary.of(sampler.texts()), pixels)


def equal(first: Batch, second: Batch) -> bool:
    pairs = [(getattr(first, name), getattr(second, name)) for name in ("reference", "target", "tokens", "lengths")]
    return all(torch.equal(*pair) for pair in pairs)


def test_streamed_batches_are_those_of_the_cache(dataset: PreparedDataset) -> None:
    found = []
    for how in ("cache", "stream"):
        run = config(f"training.pixels={how}", f"training.augmentations={AUGMENTATIONS}", "training.texts=one-anew")
        source = data(run, dataset)
        assert source.pixels.kind == how
        found.append(list(source.batches(3, 0, World())))
    assert len(found[0]) == len(found[1]) == STEPS
    assert all(equal(*pair) for pair in zip(*found, strict=True))


@pytest.mark.parametrize("how", ["cache", "stream"])
def test_an_epoch_that_starts_in_the_middle_has_the_batches_left(dataset: PreparedDataset, how: str) -> None:
    run = config(f"training.pixels={how}", f"training.augmentations={AUGMENTATIONS}")
    whole = list(data(run, dataset).batches(1, 0, World()))
    rest = list(data(run, dataset).batches(1, 3, World()))
    assert len(rest) == STEPS - 3
    assert all(equal(*pair) for pair in zip(whole[3:], rest, strict=True))


@pytest.mark.parametrize("size", [2, 4])
def test_the_workers_batches_make_up_the_one_of_a_single_worker(dataset: PreparedDataset, size: int) -> None:
    source = data(config(f"training.augmentations={AUGMENTATIONS}"), dataset)
    whole = list(source.batches(2, 0, World()))
    shares = [list(source.batches(2, 0, World(rank, size))) for rank in range(size)]
    for step, batch in enumerate(whole):
        for name in ("reference", "target", "lengths", "tokens"):
            parts = [getattr(share[step], name) for share in shares]
            assert torch.equal(torch.cat(parts), getattr(batch, name))


def test_what_the_examples_of_a_batch_are_can_be_looked_up(dataset: PreparedDataset) -> None:
    source = data(config(), dataset)
    notes = [source.notes(1, 2, World(rank, 2)) for rank in range(2)]
    assert [len(each) for each in notes] == [BATCH // 2] * 2
    assert [*notes[0], *notes[1]] == source.notes(1, 2, World())
    triplets = {(row["reference_id"], row["target_id"]) for row in dataset.triplets("train").to_pylist()}
    assert {(note.reference_id, note.target_id) for note in source.notes(1, 2, World())} <= triplets
    assert all("make it" in note.text for note in notes[0])


def test_a_split_of_items_alone_trains_by_pairs_of_them_and_not_by_triplets(dataset: PreparedDataset) -> None:
    files = [entry for entry in dataset.artifact.manifest.files if entry.name.startswith("items/")]
    alone = PreparedDataset(
        Artifact(dataset.artifact.place, dataset.artifact.manifest.model_copy(update={"files": tuple(files)}))
    )
    with pytest.raises(DataError, match=r"'train' of dataset 'toy' has no triplets.*'same-reference'.*caption-pairs"):
        make_sampler(config(), alone)
    assert make_sampler(config("training.sampler={name: caption-pairs}"), alone).steps(4) == NUM_ITEMS // 4
    with pytest.raises(ArtifactError, match="no split 'typo'"):
        make_sampler(config("split=typo"), alone)


@pytest.mark.parametrize("sampler", ["shuffle", "caption-pairs"])
def test_no_epoch_has_a_word_that_the_vocabulary_lacks(dataset: PreparedDataset, sampler: str) -> None:
    source = data(config(f"training.sampler={{name: {sampler}}}"), dataset)
    for epoch in range(3):
        for batch in source.batches(epoch, 0, World()):
            inside = torch.arange(batch.tokens.shape[1]) < batch.lengths[:, None]
            assert (batch.tokens[inside] > 0).all()
            assert (batch.tokens[~inside] == 0).all()


def test_descriptions_come_with_the_batch_where_a_loss_looks_at_them(
    dataset: PreparedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = config()
    assert next(data(run, dataset).batches(0, 0, World())).target_descriptions is None
    monkeypatch.setattr(BatchClassification, "needs_descriptions", True)
    sampler = make_sampler(run, dataset)
    captions = list(sampler.pool.items.captions)
    captions[3] = ""
    sampler.pool = replace(sampler.pool, items=replace(sampler.pool.items, captions=captions))
    vocabulary = Vocabulary.of(training_texts(run, sampler))
    assert {"dress", "green", "make"} <= set(vocabulary.words)
    pixels = open_source(dataset, run.model.preprocessing.size, run.training.pixels)
    source = TrainingData(run, sampler, vocabulary, pixels)
    examples = sampler.epoch(BATCH, run.seed, 0)
    for step, batch in enumerate(source.batches(0, 0, World())):
        share = examples.take(slice(step * BATCH, (step + 1) * BATCH))
        for texts, rows in (
            (batch.reference_descriptions, share.references),
            (batch.target_descriptions, share.targets),
        ):
            assert texts is not None
            assert texts.known.tolist() == [row != 3 for row in rows]
            for tokens, length, row in zip(texts.tokens, texts.lengths, rows, strict=True):
                expected, _ = vocabulary.encode([captions[row]])
                assert tokens[:length].tolist() == expected[0].tolist()


def test_a_loss_that_looks_at_descriptions_needs_some(
    dataset: PreparedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BatchClassification, "needs_descriptions", True)
    sampler = make_sampler(config(), dataset)
    items = replace(sampler.pool.items, captions=[""] * NUM_ITEMS)
    sampler.pool = replace(sampler.pool, items=items)
    with pytest.raises(DataError, match="descriptions, of which dataset 'css-2d' has none"):
        list(training_texts(config(), sampler))
