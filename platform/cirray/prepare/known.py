"""Pictures of a part that are known before it is made: unchanged ones of an earlier version, and dangerous ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa

from cirray.errors import StorageError
from cirray.prepare.hashing import PictureHashes
from cirray.prepare.rejects import Reject
from cirray.storage import FileEntry, Location, table_from

_PICTURE = ["item_id", "image"]


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


@dataclass(frozen=True)
class Known:
    """What is known of the pictures of a part.

    Attributes:
        rejects: of items whose picture must not be decoded, by id.
        hashes: rows of schema `HASHES` of the items that an earlier version has, by id.
        images: their pictures, as they were prepared; None where each is as its file is.
        rows: where among the images each item's is.
    """

    rejects: Mapping[str, Reject] = field(default_factory=dict)
    hashes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    images: pa.ChunkedArray | None = None
    rows: Mapping[str, int] = field(default_factory=dict)

    def picture(self, item_id: str, data: bytes) -> CheckedPicture | None:
        """Return the picture that was made of exactly these bytes before, or None."""
        found = self.hashes.get(item_id)
        if found is None or hashlib.sha256(data).hexdigest() != found["bytes"]:
            return None
        hashes = PictureHashes(found["bytes"], found["pixels"], found["perceptual"])
        if self.images is not None:
            if item_id not in self.rows:
                return None
            data = self.images[self.rows[item_id]].as_py()
        return CheckedPicture(found["width"], found["height"], data, hashes)


NOTHING = Known()


@dataclass(frozen=True)
class Earlier:
    """Where an earlier version, made by the same settings and code, has pictures of a part.

    Attributes:
        place: of that version.
        files: parts of its item table; none where pictures are kept as they are, since then the source has them.
        hashes: schema `HASHES`, of items of the part.
    """

    place: Location
    files: Sequence[FileEntry]
    hashes: pa.Table

    def known(self) -> Known:
        """Return what is known of the pictures; nothing, which costs but time, where a file is gone or damaged."""
        try:
            tables = [self._table(entry) for entry in self.files]
        except (StorageError, pa.ArrowException, OSError):
            return NOTHING
        hashes = {row["item_id"]: row for row in self.hashes.to_pylist()}
        if not tables:
            return Known(hashes=hashes)
        table = pa.concat_tables(tables)
        rows = {item_id: row for row, item_id in enumerate(table["item_id"].to_pylist())}
        return Known(hashes=hashes, images=table["image"], rows=rows)

    def _table(self, entry: FileEntry) -> pa.Table:
        data = (self.place / entry.path).read()
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise StorageError(f"{self.place / entry.path} is not what its manifest lists.")
        return table_from(data, _PICTURE)
