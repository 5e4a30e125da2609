"""One part of the item table: reads and checks its pictures, and writes its file. Runs in the workers."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from cirray.datasets.formats import PNG_SIGNATURE
from cirray.datasets.pictures import decode, decode_at
from cirray.datasets.schema import HASHES, ITEMS
from cirray.errors import BadImageError, DataError
from cirray.prepare.config import PartConfig
from cirray.prepare.hashing import hash_picture
from cirray.prepare.known import NOTHING, CheckedPicture, Known
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
        decoded: how many pictures were decoded for it, or tried to be.
    """

    number: int
    entry: FileEntry
    rejects: list[Reject]
    hashes: pa.Table
    decoded: int = 0


def prepare_part(
    part: Part,
    source: Location,
    target: Location,
    config: PartConfig,
    known: Known = NOTHING,
    begun: Callable[[int], None] = lambda row: None,
) -> PartResult:
    """Write the file of a part, schema `ITEMS`, of the items whose pictures can be decoded.

    The same pictures give the same bytes, and so, by its content's hash, the same file: to do it twice does no harm.
    The file may not be on the disk yet: before a manifest lists it, it must be synced.

    Args:
        part: its items, and what the listing of the source said of their files.
        source: what the paths of the items are relative to.
        target: place of the artifact.
        config: of the preparation.
        known: pictures that need not be decoded, or must not.
        begun: called with the row of each picture before it is decoded.

    Raises:
        DataError: a file has changed since the source was listed.
        StorageError: something cannot be read or written.
    """
    pictures = read_pictures(part, source, range(part.items.num_rows))
    checker = _Checker(config, known, begun)

    def groups() -> Iterator[pa.Table]:
        for start in range(0, part.items.num_rows, config.row_group_size):
            yield checker.group(start, part.items.slice(start, config.row_group_size).to_pylist(), pictures)

    entry = _write(part.name, groups(), target)
    hashes = pa.Table.from_pylist(checker.hashes, schema=HASHES)
    return PartResult(part.number, entry, checker.rejects, hashes, checker.decoded)


def thin_part(result: PartResult, dropped: set[str], target: Location, config: PartConfig) -> PartResult:
    """Write the file of a part again, without the items that are `dropped`; before a manifest lists it, sync it.

    Raises:
        StorageError: it cannot be read or written.
    """
    table = table_from((target / result.entry.path).read())
    keep = pa.array([item_id not in dropped for item_id in table["item_id"].to_pylist()], pa.bool_())
    kept = table.filter(keep)
    groups = (kept.slice(start, config.row_group_size) for start in range(0, kept.num_rows, config.row_group_size))
    entry = _write(result.entry.name, groups, target)
    return PartResult(result.number, entry, result.rejects, result.hashes)


def check_picture(data: bytes, config: PartConfig) -> CheckedPicture:
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
    # The disk is not waited for here, where a core would idle meanwhile.
    return put_file(target, name, memoryview(sink.getvalue()), rows=rows, durable=False)


@dataclass
class _Checker:
    """Puts pictures to items, and keeps what is told of them.

    Attributes:
        config: of the preparation.
        known: pictures that need not be decoded, or must not.
        begun: called with the row of each picture before it is decoded.
        rejects: of items without a usable picture, so far.
        hashes: of the other pictures, so far, as rows of schema `HASHES`.
        decoded: how many pictures, so far.
    """

    config: PartConfig
    known: Known
    begun: Callable[[int], None]
    rejects: list[Reject] = field(default_factory=list)
    hashes: list[dict[str, Any]] = field(default_factory=list)
    decoded: int = 0

    def group(self, start: int, items: list[dict[str, Any]], pictures: Iterator[bytes]) -> pa.Table:
        """Take one of `pictures` for each item, the first of which is row `start`; return the good ones, `ITEMS`."""
        rows = []
        for row, item in enumerate(items, start):
            data = next(pictures)
            if reject := self.known.rejects.get(item["item_id"]):
                self.rejects.append(reject)
                continue
            try:
                picture = self.known.picture(item["item_id"], data) or self._decoded(row, data)
            except BadImageError as error:
                self.rejects.append(Reject("item", item["item_id"], error.reason, f"{item['path']}: {error}"))
                continue
            sides = {"width": picture.width, "height": picture.height}
            rows.append({**item, **sides, "image": picture.data})
            self.hashes.append({"item_id": item["item_id"], **sides, **picture.hashes._asdict()})
        return pa.Table.from_pylist(rows, schema=ITEMS)

    def _decoded(self, row: int, data: bytes) -> CheckedPicture:
        self.begun(row)
        self.decoded += 1
        return check_picture(data, self.config)


def read_pictures(part: Part, source: Location, rows: Sequence[int]) -> Iterator[bytes]:
    """Yield the content of the files of the items at `rows`, in turn.

    Raises:
        DataError: a file has changed since the source was listed.
        StorageError: a file cannot be read.
    """
    paths = part.items["path"].to_pylist()
    return _pictures([source / paths[row] for row in rows], [part.files[row].bytes for row in rows])


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
