"""One part of the item table: reads and checks its pictures, and writes its file. Runs in the workers."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from cirray.datasets.pictures import decode
from cirray.datasets.schema import ITEMS
from cirray.errors import BadImageError, DataError
from cirray.prepare.config import PrepareConfig
from cirray.prepare.rejects import UNDECODABLE, Reject
from cirray.storage import FileEntry, Location, put_file

READ_THREADS = 16
"""Simultaneous downloads of a task: an object store answers slowly, but many at a time."""

READ_AHEAD = 64
"""Pictures on their way while one is being checked."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_QUALITY = 95

# Pictures are compressed already; compressing them again takes time and gains nothing.
_COMPRESSION = {
    "item_id": "zstd",
    "label": "zstd",
    "caption": "zstd",
    "category": "zstd",
    "attributes.list.element": "zstd",
    "splits.list.element": "zstd",
    "width": "zstd",
    "height": "zstd",
    "image": "none",
}


@dataclass(frozen=True)
class PartResult:
    """What one part came to.

    Attributes:
        entry: its file.
        rejects: its items that have no usable picture.
    """

    entry: FileEntry
    rejects: list[Reject]


def prepare_part(
    number: int, items: pa.Table, sizes: list[int], source: Location, target: Location, config: PrepareConfig
) -> PartResult:
    """Write `items/part-<number>.parquet`, schema `ITEMS`, of the items whose pictures can be decoded.

    The same pictures give the same bytes, and so, by its content's hash, the same file: to do it twice does no harm.

    Args:
        number: of the part.
        items: schema `SOURCE_ITEMS`, sorted by id.
        sizes: bytes that the listing of the source gave for each item's file.
        source: what the paths of `items` are relative to.
        target: place of the artifact.
        config: of the preparation.

    Raises:
        DataError: a file has changed since the source was listed.
        StorageError: something cannot be read or written.
    """
    buffer, rejects, rows = io.BytesIO(), [], 0
    pictures = _pictures([source / path for path in items["path"].to_pylist()], sizes)
    with pq.ParquetWriter(buffer, ITEMS, compression=_COMPRESSION, use_dictionary=["label"]) as writer:
        for start in range(0, items.num_rows, config.row_group_size):
            group = items.slice(start, config.row_group_size).to_pylist()
            table, rejected = _with_pictures(group, pictures, config.max_image_side)
            writer.write_table(table)
            rejects += rejected
            rows += table.num_rows
    entry = put_file(target, f"items/part-{number:05d}.parquet", buffer.getvalue(), rows=rows)
    return PartResult(entry, rejects)


def _with_pictures(
    items: list[dict[str, Any]], pictures: Iterator[bytes], max_side: int | None
) -> tuple[pa.Table, list[Reject]]:
    """Take one of `pictures` for each item; return the good ones as a table of schema `ITEMS`, and the others."""
    rows, rejects = [], []
    for item in items:
        try:
            width, height, image = check_picture(next(pictures), max_side)
        except BadImageError as error:
            rejects.append(Reject("item", item["item_id"], UNDECODABLE, f"{item['path']}: {error}"))
        else:
            rows.append({**item, "width": width, "height": height, "image": image})
    return pa.Table.from_pylist(rows, schema=ITEMS), rejects


def _pictures(places: list[Location], sizes: list[int]) -> Iterator[bytes]:
    """Yield the content of each file in turn; from an object store, those that follow are on their way meanwhile."""
    if all(place.is_local for place in places):
        yield from map(_read, places, sizes)
        return
    with ThreadPoolExecutor(READ_THREADS) as pool:
        pending: deque[Future[bytes]] = deque()
        for place, size in zip(places, sizes, strict=True):
            pending.append(pool.submit(_read, place, size))
            if len(pending) > READ_AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def check_picture(data: bytes, max_side: int | None) -> tuple[int, int, bytes]:
    """Return width, height and bytes of a picture, scaled down where a side is longer than `max_side` pixels.

    Raises:
        BadImageError: it cannot be decoded.
    """
    image = decode(data)
    if max_side is None or max(image.size) <= max_side:
        return image.width, image.height, data
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=None)
    buffer = io.BytesIO()
    if data.startswith(PNG_SIGNATURE):
        image.save(buffer, format="PNG")
    else:
        image.save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return image.width, image.height, buffer.getvalue()


def _read(place: Location, expected_bytes: int) -> bytes:
    data = place.read()
    if len(data) != expected_bytes:
        raise DataError(
            f"{place} changed while it was being prepared, from {expected_bytes:,} to {len(data):,} bytes.",
            hint="Wait until the source is complete, then prepare it again.",
        )
    return data
