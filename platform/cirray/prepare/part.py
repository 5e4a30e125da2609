"""One part of the item table: reads and checks its pictures, and writes its file. Runs in the workers."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from cirray.datasets.formats import PNG_SIGNATURE
from cirray.datasets.pictures import decode, decode_at
from cirray.datasets.schema import HASHES, ITEMS
from cirray.errors import BadImageError, DataError
from cirray.prepare.config import PrepareConfig
from cirray.prepare.hashing import PictureHashes, hash_picture
from cirray.prepare.plan import Part
from cirray.prepare.rejects import Reject
from cirray.prepare.resizing import resized, target_size
from cirray.storage import FileEntry, Location, put_file, table_from

READ_THREADS = 16
"""Simultaneous downloads of a task: an object store answers slowly, but many at a time."""

READ_AHEAD = 64
"""Pictures on their way while one is being checked."""

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
        number: its place among the parts.
        entry: its file.
        rejects: its items that have no usable picture.
        hashes: of the other pictures, schema `HASHES`.
    """

    number: int
    entry: FileEntry
    rejects: list[Reject]
    hashes: pa.Table


class CheckedPicture(NamedTuple):
    """A picture that is known to decode to `width` × `height` RGB, upright.

    Attributes:
        width: in pixels.
        height: in pixels.
        data: the file as it was, or encoded anew where it had to be scaled.
        hashes: of the file as it was, and of the pixels of this picture.
    """

    width: int
    height: int
    data: bytes
    hashes: PictureHashes


def prepare_part(part: Part, source: Location, target: Location, config: PrepareConfig) -> PartResult:
    """Write the file of a part, schema `ITEMS`, of the items whose pictures can be decoded.

    The same pictures give the same bytes, and so, by its content's hash, the same file: to do it twice does no harm.

    Args:
        part: its items, and what the listing of the source said of their files.
        source: what the paths of the items are relative to.
        target: place of the artifact.
        config: of the preparation.

    Raises:
        DataError: a file has changed since the source was listed.
        StorageError: something cannot be read or written.
    """
    pictures = _pictures([source / path for path in part.items["path"].to_pylist()], [f.bytes for f in part.files])
    rejects: list[Reject] = []
    hashes: list[pa.Table] = []

    def groups() -> Iterator[pa.Table]:
        for start in range(0, part.items.num_rows, config.row_group_size):
            group = part.items.slice(start, config.row_group_size).to_pylist()
            table, hashed, rejected = _with_pictures(group, pictures, config)
            rejects.extend(rejected)
            hashes.append(hashed)
            yield table

    entry = _write(part.name, groups(), target)
    return PartResult(part.number, entry, rejects, pa.concat_tables(hashes))


def thin_part(result: PartResult, dropped: set[str], target: Location, config: PrepareConfig) -> PartResult:
    """Write the file of a part again, without the items that are `dropped`.

    Raises:
        StorageError: it cannot be read or written.
    """
    table = table_from((target / result.entry.path).read())
    keep = pa.array([item_id not in dropped for item_id in table["item_id"].to_pylist()], pa.bool_())
    kept = table.filter(keep)
    groups = (kept.slice(start, config.row_group_size) for start in range(0, kept.num_rows, config.row_group_size))
    entry = _write(result.entry.name, groups, target)
    return PartResult(result.number, entry, result.rejects, result.hashes)


def check_picture(data: bytes, config: PrepareConfig) -> CheckedPicture:
    """Return a picture as it is prepared: scaled by the rule of `config`, and hashed.

    Raises:
        BadImageError: it cannot be decoded.
    """
    if config.resize == "none":
        image = decode(data)
        return CheckedPicture(*image.size, data, hash_picture(data, image))
    # A JPEG may have been decoded smaller than it is: its full size decides.
    image, full = decode_at(data, partial(target_size, config=config))
    scaled = resized(image, target_size(*full, config), config)
    if scaled.size == full:
        return CheckedPicture(*full, data, hash_picture(data, scaled))
    return CheckedPicture(*scaled.size, _encoded(data, scaled), hash_picture(data, scaled))


def _encoded(data: bytes, image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    if data.startswith(PNG_SIGNATURE):
        image.save(buffer, format="PNG")
    else:
        image.save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _write(name: str, groups: Iterable[pa.Table], target: Location) -> FileEntry:
    # Arrow's own buffer, of which hash and disk take a view: a Python object would copy all pictures twice.
    sink, rows = pa.BufferOutputStream(), 0
    with pq.ParquetWriter(sink, ITEMS, compression=_COMPRESSION, use_dictionary=["label"]) as writer:
        for table in groups:
            writer.write_table(table)
            rows += table.num_rows
    return put_file(target, name, memoryview(sink.getvalue()), rows=rows)


def _with_pictures(
    items: list[dict[str, Any]], pictures: Iterator[bytes], config: PrepareConfig
) -> tuple[pa.Table, pa.Table, list[Reject]]:
    """Take one of `pictures` for each item; return the good ones (schema `ITEMS`), their hashes, and the others."""
    rows, hashes, rejects = [], [], []
    for item in items:
        try:
            picture = check_picture(next(pictures), config)
        except BadImageError as error:
            rejects.append(Reject("item", item["item_id"], error.reason, f"{item['path']}: {error}"))
        else:
            sides = {"width": picture.width, "height": picture.height}
            rows.append({**item, **sides, "image": picture.data})
            hashes.append({"item_id": item["item_id"], **sides, **picture.hashes._asdict()})
    return pa.Table.from_pylist(rows, schema=ITEMS), pa.Table.from_pylist(hashes, schema=HASHES), rejects


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


def _read(place: Location, expected_bytes: int) -> bytes:
    data = place.read()
    if len(data) != expected_bytes:
        raise DataError(
            f"{place} changed while it was being prepared, from {expected_bytes:,} to {len(data):,} bytes.",
            hint="Wait until the source is complete, then prepare it again.",
        )
    return data
