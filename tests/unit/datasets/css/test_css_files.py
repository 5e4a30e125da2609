from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from cirray.datasets import SOURCE_ITEMS, TRIPLETS
from cirray.datasets.css import CssConfig, encode_png, generate, image_files, render, tables

TINY = CssConfig(num_scenes=12, seed=1)

DIGEST = """
import sys
from cirray.datasets.css import CssConfig, generate, image_files
import hashlib
world = generate(CssConfig(num_scenes=12, seed=1), "train")
digest = hashlib.sha256(repr((world.labels, [q.text for q in world.queries])).encode())
for path, data in image_files(world):
    digest.update(path.encode() + data)
sys.stdout.write(digest.hexdigest())
"""


def digest(config: CssConfig) -> str:
    world = generate(config, "train")
    total = hashlib.sha256(repr((world.labels, [query.text for query in world.queries])).encode())
    for path, data in image_files(world):
        total.update(path.encode() + data)
    return total.hexdigest()


def test_same_seed_same_bytes() -> None:
    assert digest(TINY) == digest(TINY)
    assert digest(TINY) != digest(TINY.model_copy(update={"seed": 2}))


def test_same_bytes_in_another_process() -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == digest(TINY)


def test_png_holds_the_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(encode_png(pixels))) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (24, 16))
        np.testing.assert_array_equal(np.asarray(picture), pixels)


@pytest.mark.parametrize("config", [TINY, TINY.model_copy(update={"image_size": 32, "round_circles": True})])
def test_image_files_are_the_rendered_scenes_in_order(config: CssConfig) -> None:
    world = generate(config, "test")
    files = list(image_files(world))
    assert [path for path, _ in files] == [f"images/css_test_{i:06d}.png" for i in range(len(world.scenes))]
    for (_, data), scene in zip(files, world.scenes, strict=True):
        with Image.open(io.BytesIO(data)) as picture:
            np.testing.assert_array_equal(np.asarray(picture), render(scene, config.image_size, config.round_circles))


def test_item_rows() -> None:
    world = generate(TINY, "train")
    items, _ = tables(world)
    assert items.schema == SOURCE_ITEMS
    rows = items.to_pylist()
    assert len(rows) == len(world.scenes)
    assert rows[0]["item_id"] == "css_train_000000"
    assert rows[13]["path"] == "images/css_train_000013.png"
    assert [row["path"] for row in rows] == [path for path, _ in image_files(world)]
    assert [row["label"] for row in rows] == list(world.labels)
    assert all(row["splits"] == ["train"] for row in rows)
    assert len({row["caption"] for row in rows}) == len(set(world.labels))


def test_triplet_rows() -> None:
    world = generate(TINY, "test")
    items, triplets = tables(world)
    assert triplets.schema == TRIPLETS
    rows = triplets.to_pylist()
    assert rows[0] == {
        "query_id": "css_test_q00000",
        "reference_id": f"css_test_{world.queries[0].reference:06d}",
        "texts": [world.queries[0].text],
        "target_id": "css_test_000012",
        "other_target_ids": [],
        "subset_ids": [],
        "category": "",
    }
    known = set(items["item_id"].to_pylist())
    assert all(row["reference_id"] in known and row["target_id"] in known for row in rows)
    assert len({row["query_id"] for row in rows}) == len(rows) == len(world.queries)
