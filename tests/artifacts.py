"""Small artifacts for tests, committed as the real ones are: datasets from rows, indexes from vectors."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.schema import ITEMS, triplets_table
from cirray.index import IndexDetails, Shard, shard_of
from cirray.index.shard import SHARD_ITEMS
from cirray.index.version import index_file, items_file
from cirray.storage import Artifact, Location, Manifest, commit, fingerprint, put_file, table_bytes

Row = Mapping[str, Any]


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return pixels (H, W, 3) as a PNG."""
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


def plain_png(colour: tuple[int, int, int], size: tuple[int, int] = (4, 4)) -> bytes:
    """Return a PNG of one colour, `size` being width and height."""
    return png(np.full((size[1], size[0], 3), colour, dtype=np.uint8))


def put_dataset(
    place: Location,
    name: str,
    items: Sequence[Row],
    triplets: Mapping[str, Sequence[Row]] | None = None,
    *,
    part_rows: int | None = None,
    reader: str | None = None,
) -> PreparedDataset:
    """Commit a prepared dataset.

    Args:
        place: of the version.
        name: of the dataset.
        items: by ascending id, each with at least `item_id`, `splits` and `image`; the label is by default the id.
        triplets: rows by split.
        part_rows: items in a part; None puts all into one.
        reader: by which the dataset's source is said to have been read.
    """
    rows = [_item(row) for row in items]
    step = part_rows or max(1, len(rows))
    files = []
    for number, start in enumerate(range(0, len(rows), step)):
        part = pa.Table.from_pylist(rows[start : start + step], schema=ITEMS)
        files.append(put_file(place, f"items/part-{number:05d}.parquet", table_bytes(part), rows=part.num_rows))
    for split, given in (triplets or {}).items():
        table = triplets_table(given)
        files.append(put_file(place, f"triplets-{split}/part-00000.parquet", table_bytes(table), rows=table.num_rows))
    digest, settings = fingerprint([name, place.uri]), {"reader": {"name": reader}} if reader else {}
    manifest = Manifest(kind="dataset", name=name, fingerprint=digest, settings=settings, files=tuple(files))
    return PreparedDataset(commit(place, manifest))


def put_index(
    place: Location,
    name: str,
    items: pa.Table,
    vectors: npt.NDArray[np.float32],
    *,
    num_shards: int,
    inputs: Mapping[str, str],
    model: str = "tirg@v1",
    dataset: str = "css@v2",
    split: str = "test",
) -> Artifact:
    """Commit an index.

    Args:
        place: of the version.
        name: of the index.
        items: the gallery by ascending id: at least the columns of `SHARD_ITEMS`.
        vectors: (N, D) unit vectors of the items.
        num_shards: among which the items are divided.
        inputs: fingerprints of model and dataset.
        model: that embedded them, as "name@version".
        dataset: whose items they are, as "name@version".
        split: whose gallery it is.
    """
    item_ids = items["item_id"].to_pylist()
    files = []
    for number in range(num_shards):
        rows = [row for row, item_id in enumerate(item_ids) if shard_of(item_id, num_shards) == number]
        own = items.select(SHARD_ITEMS.names).take(pa.array(rows, pa.int64()))
        shard = Shard.build(own, vectors[rows], vectors.shape[1])
        files.append(put_file(place, index_file(number), shard.index_bytes()))
        files.append(put_file(place, items_file(number), shard.items_bytes(), rows=len(shard)))
    details = IndexDetails(
        model=model, dataset=dataset, split=split, num_shards=num_shards, dim=vectors.shape[1], kind="flat"
    )
    manifest = Manifest(
        kind="index",
        name=name,
        fingerprint=fingerprint([name, dict(inputs), num_shards]),
        inputs=dict(inputs),
        counts={"items": len(item_ids), "shards": num_shards},
        details=details.model_dump(),
        files=tuple(files),
    )
    return commit(place, manifest)


def _item(row: Row) -> Row:
    with Image.open(io.BytesIO(row["image"])) as picture:
        width, height = picture.size
    empty = {field.name: [] if pa.types.is_list(field.type) else "" for field in ITEMS}
    return {**empty, "label": row["item_id"], "width": width, "height": height, **row}
