"""A CSS world as files: PNG pictures in two dimensions, and the rows that go with pictures of any kind."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from cirray.datasets.css.config import CssConfig
from cirray.datasets.css.render import render
from cirray.datasets.css.scene import describe
from cirray.datasets.css.split import Split
from cirray.datasets.css.world import C, World
from cirray.datasets.schema import items_table, triplets_table


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Return `image`, `(height, width, 3)` RGB, as a PNG; the same pixels give the same bytes."""
    buffer = io.BytesIO()
    # The lowest compression: flat shapes stay under a kilobyte, and writing takes half the time.
    Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def item_id(split: Split, index: int) -> str:
    """Return the id of scene `index`, such as "css_train_000000", the name of its picture in the released data."""
    return f"css_{split}_{index:06d}"


def image_path(split: Split, index: int) -> str:
    """Return the path of the picture of scene `index` within the dataset."""
    return f"images/{item_id(split, index)}.png"


def image_files(world: World[CssConfig]) -> Iterator[tuple[str, bytes]]:
    """Yield (path, PNG bytes) of each scene of `world`, in the order of the scenes."""
    for index, scene in enumerate(world.scenes):
        image = render(scene, world.config.image_size, world.config.round_circles)
        yield image_path(world.split, index), encode_png(image)


def item_table(world: World[C]) -> pa.Table:
    """Return one row a scene, schema `SOURCE_ITEMS`."""
    return items_table(
        {
            "item_id": item_id(world.split, index),
            "path": image_path(world.split, index),
            "label": label,
            "caption": describe(scene),
            "splits": [world.split],
        }
        for index, (scene, label) in enumerate(zip(world.scenes, world.labels, strict=True))
    )


def triplet_table(world: World[C]) -> pa.Table:
    """Return one row a query, schema `TRIPLETS`."""
    return triplets_table(
        {
            "query_id": f"css_{world.split}_q{index:05d}",
            "reference_id": item_id(world.split, query.reference),
            "texts": [query.text],
            "target_id": item_id(world.split, query.target),
        }
        for index, query in enumerate(world.queries)
    )


def tables(world: World[C]) -> tuple[pa.Table, pa.Table]:
    """Return `item_table` and `triplet_table` of `world`."""
    return item_table(world), triplet_table(world)
