"""What a reader of a raw source offers to preparation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from cirray.registry import Registry
from cirray.storage import Location


@dataclass(frozen=True)
class SourceTables:
    """A raw source, read but not yet checked.

    Attributes:
        items: schema `SOURCE_ITEMS`; any order, ids possibly repeated.
        triplets: by split, schema `TRIPLETS`; ids possibly unknown.
    """

    items: pa.Table
    triplets: dict[str, pa.Table]


class Reader(Protocol):
    """Reads the tables of a source in one benchmark's layout."""

    def __call__(self, source: Location) -> SourceTables:
        """Return the tables of `source`.

        Raises:
            DataError: the source is not in this layout.
            StorageError: it cannot be read.
        """
        ...


readers: Registry[Reader] = Registry("dataset reader")
