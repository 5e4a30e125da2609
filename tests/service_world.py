"""A small root to serve, made without Ray in a second: drawn pictures, an untrained model, an index of two shards."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import torch

from cirray.bundles import Bundle, save_bundle
from cirray.composers import ModelConfig, Retriever, TirgLastConvConfig
from cirray.datasets.css import CssConfig, Split, encode_png, generate, item_table, render, triplet_table
from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.raw import table_bytes
from cirray.datasets.schema import ITEMS, joined
from cirray.encoders import LstmConfig, Preprocessing, SmallCnnConfig, Vocabulary
from cirray.index import Shard, shard_of
from cirray.index.version import index_file, items_file
from cirray.storage import Artifact, FileEntry, Location, Manifest, Root, commit, fingerprint, put_file

DATASET = "tiny"
MODEL = "tiny/tirg"
INDEX = "tiny"
SPLIT: Split = "test"


def make_root(folder: Path, *, num_scenes: int = 24, num_shards: int = 2) -> Root:
    """Write dataset, bundle and live index under `folder`."""
    root = Root.open(str(folder), create=True)
    dataset = PreparedDataset(put_dataset(root, num_scenes))
    bundle = Bundle.open(put_bundle(root, dataset))
    put_index(root, bundle, dataset, num_shards)
    return root


def put_dataset(root: Root, num_scenes: int) -> Artifact:
    """Write the dataset: its pictures in two parts, one split."""
    world = generate(CssConfig(num_scenes=num_scenes, test_modifications_per_scene=1.0, seed=5), SPLIT)
    rows = item_table(world)
    count = rows.num_rows
    pictures = [encode_png(render(scene, 64)) for scene in world.scenes]
    items = pa.Table.from_pylist(
        [
            {**row, "width": 64, "height": 64, "image": picture}
            for row, picture in zip(rows.to_pylist(), pictures, strict=True)
        ],
        schema=ITEMS,
    )
    place = root.dataset(DATASET).version("d" * 64)
    parts = [items.slice(0, count // 2), items.slice(count // 2)]
    files = [
        put_file(place, f"items/part-{number:05d}.parquet", table_bytes(part), rows=part.num_rows)
        for number, part in enumerate(parts)
    ]
    triplets = triplet_table(world)
    files.append(put_file(place, f"triplets-{SPLIT}/part-00000.parquet", table_bytes(triplets), rows=len(triplets)))
    return _commit(root.dataset(DATASET).version("d" * 64), "dataset", DATASET, files, {}, {})


def put_bundle(root: Root, dataset: PreparedDataset, *, seed: int = 0, version_of: int | None = None) -> Artifact:
    """Write a model with random weights that knows the words of the dataset, under the version of a seed."""
    torch.manual_seed(seed)
    vocabulary = Vocabulary.of([joined(texts) for texts in dataset.triplets(SPLIT)["texts"].to_pylist()])
    config = ModelConfig(
        preprocessing=Preprocessing(height=32, width=32),
        image_encoder=SmallCnnConfig(widths=(8, 8), strides=(4, 2)),
        text_encoder=LstmConfig(word_dim=8, dim=8),
        composer=TirgLastConvConfig(dim=16),
    )
    place = root.model(MODEL).version(fingerprint(seed if version_of is None else version_of))
    artifact = save_bundle(
        place,
        name=MODEL,
        fingerprint=fingerprint(seed),
        model=Retriever(config, len(vocabulary)),
        vocabulary=vocabulary,
        inputs={"dataset": dataset.fingerprint},
        settings={},
        details={"dataset": f"{dataset.name}@{dataset.artifact.version}"},
    )
    root.model(MODEL).point_at(artifact.version)
    return artifact


def put_index(root: Root, bundle: Bundle, dataset: PreparedDataset, num_shards: int) -> Artifact:
    """Write the index of the dataset's gallery, and make it live."""
    items = dataset.gallery(SPLIT)
    item_ids = items["item_id"].to_pylist()
    vectors = bundle.embed([dataset.image(item_id) for item_id in item_ids])
    inputs = {"model": bundle.fingerprint, "dataset": dataset.fingerprint}
    place = root.index(INDEX).version(fingerprint([inputs, num_shards]))
    files = []
    for number in range(num_shards):
        rows = [row for row, item_id in enumerate(item_ids) if shard_of(item_id, num_shards) == number]
        shard = Shard.build(items.take(pa.array(rows, pa.int64())), vectors[rows], bundle.dim)
        files.append(put_file(place, index_file(number), shard.index_bytes()))
        files.append(put_file(place, items_file(number), shard.items_bytes(), rows=len(shard)))
    details = {
        "model": f"{bundle.name}@{bundle.version}",
        "dataset": f"{dataset.name}@{dataset.artifact.version}",
        "split": SPLIT,
        "num_shards": num_shards,
        "dim": bundle.dim,
        "factory": "Flat",
    }
    artifact = _commit(place, "index", INDEX, files, inputs, details)
    root.index(INDEX).point_at(artifact.version)
    return artifact


def _commit(
    place: Location, kind: str, name: str, files: list[FileEntry], inputs: dict[str, str], details: dict[str, object]
) -> Artifact:
    manifest = Manifest(
        kind=kind,
        name=name,
        fingerprint=fingerprint([kind, name, inputs, details]),
        inputs=inputs,
        details=details,
        files=tuple(files),
    )
    return commit(place, manifest)
