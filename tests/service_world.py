"""A small root to serve, made without Ray in a second: drawn pictures, an untrained model, an index of two shards."""

from __future__ import annotations

from pathlib import Path

import torch

from cirray.bundles import Bundle, save_bundle
from cirray.composers import ModelConfig, Retriever
from cirray.composers.tirg_last_conv import TirgLastConvConfig
from cirray.datasets.css import CssConfig, Split, encode_png, generate, item_table, render, triplet_table
from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.schema import joined
from cirray.encoders import Preprocessing, Vocabulary
from cirray.encoders.images.small_cnn import SmallCnnConfig
from cirray.encoders.texts.lstm import LstmConfig
from cirray.storage import Artifact, Root, fingerprint
from tests.artifacts import put_dataset, put_index

DATASET = "tiny"
MODEL = "tiny/tirg"
INDEX = "tiny"
SPLIT: Split = "test"


def make_root(folder: Path, *, num_scenes: int = 24, num_shards: int = 2) -> Root:
    """Write dataset, bundle and live index under `folder`."""
    root = Root.open(str(folder), create=True)
    dataset = put_world(root, num_scenes)
    bundle = Bundle.open(put_bundle(root, dataset))
    put_gallery_index(root, bundle, dataset, num_shards)
    return root


def put_world(root: Root, num_scenes: int) -> PreparedDataset:
    """Write the dataset: its pictures in two parts, one split."""
    world = generate(CssConfig(num_scenes=num_scenes, test_modifications_per_scene=1.0, seed=5), SPLIT)
    items = [
        {**row, "image": encode_png(render(scene, 64))}
        for row, scene in zip(item_table(world).to_pylist(), world.scenes, strict=True)
    ]
    return put_dataset(
        root.dataset(DATASET).version("d" * 64),
        DATASET,
        items,
        {SPLIT: triplet_table(world).to_pylist()},
        part_rows=-(-len(items) // 2),
    )


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
        model=Retriever(config, vocabulary),
        vocabulary=vocabulary,
        inputs={"dataset": dataset.fingerprint},
        settings={},
        details={"dataset": f"{dataset.name}@{dataset.artifact.version}"},
    )
    root.model(MODEL).point_at(artifact.version)
    return artifact


def put_gallery_index(root: Root, bundle: Bundle, dataset: PreparedDataset, num_shards: int) -> Artifact:
    """Write the index of the dataset's gallery, and make it live."""
    items = dataset.gallery(SPLIT)
    inputs = {"model": bundle.fingerprint, "dataset": dataset.fingerprint}
    artifact = put_index(
        root.index(INDEX).version(fingerprint([inputs, num_shards])),
        INDEX,
        items,
        bundle.embed([dataset.image(item_id) for item_id in items["item_id"].to_pylist()]),
        num_shards=num_shards,
        inputs=inputs,
        model=f"{bundle.name}@{bundle.version}",
        dataset=f"{dataset.name}@{dataset.artifact.version}",
        split=SPLIT,
    )
    root.index(INDEX).point_at(artifact.version)
    return artifact
