"""What a reader of a raw source offers to preparation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import pyarrow as pa

from cirray.config import Choice
from cirray.datasets.schema import REJECTS
from cirray.errors import DataError
from cirray.registry import Registry
from cirray.storage import FileStat, Location

MAX_TABLE_BYTES = 2 << 30
"""Of one file of annotations, which is read into memory as a whole."""


@dataclass(frozen=True)
class Source:
    """A raw source: a place and what is there.

    Attributes:
        place: folder or prefix.
        files: all files below it but hidden ones, sorted by path.
        without: beginnings of the paths of files that do not count.
    """

    place: Location
    files: tuple[FileStat, ...]
    without: tuple[str, ...] = ()
    _used: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    @classmethod
    def open(cls, place: Location, without: tuple[str, ...] = ()) -> Source:
        """List what is at `place`; hidden files, such as what a killed writer left, do not count.

        Args:
            place: folder or prefix.
            without: beginnings of the paths of other files that do not count either.

        Raises:
            StorageError: it cannot be listed.
        """
        found = (file for file in place.files() if not file.path.rpartition("/")[2].startswith("."))
        return cls(place, tuple(file for file in found if not file.path.startswith(without)), without)

    def changed_since(self, used: Iterable[str]) -> list[str]:
        """List the place again, and return which files are not what they were: of those that were read, and `used`.

        Raises:
            StorageError: it cannot be listed.
        """
        before = {file.path: file for file in self.files}
        now = {file.path: file for file in Source.open(self.place, self.without).files}
        paths = sorted(self._used.union(used).intersection(before))
        return [path for path in paths if path not in now or now[path].identity != before[path].identity]

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Bytes of each file, by its path."""
        return {file.path: file.bytes for file in self.files}

    def __contains__(self, path: str) -> bool:
        return path in self.sizes

    def file(self, path: str) -> Location:
        """Return the place of one file, which counts as read from now on."""
        self._used.add(path)
        return self.place / path

    def read(self, path: str) -> bytes:
        """Return the bytes of one file.

        Raises:
            DataError: it is larger than any file of annotations.
            StorageError: it cannot be read.
        """
        if self.sizes.get(path, 0) > MAX_TABLE_BYTES:
            raise DataError(
                f"{self}/{path} has {self.sizes[path]:,} bytes; a file of annotations may have {MAX_TABLE_BYTES:,}.",
                hint="Split the source, or store its table as parquet.",
            )
        return self.file(path).read()

    def __str__(self) -> str:
        return str(self.place)


@dataclass(frozen=True)
class SourceTables:
    """A raw source, read but not yet checked.

    Attributes:
        items: schema `SOURCE_ITEMS`; any order, ids possibly repeated.
        triplets: by split, schema `TRIPLETS`; ids possibly unknown.
        rejects: schema `REJECTS`; rows of the source's files that cannot even be put into these tables.
    """

    items: pa.Table
    triplets: dict[str, pa.Table]
    rejects: pa.Table = field(default_factory=REJECTS.empty_table)


class Reader(ABC):
    """Reads the tables of a source in one benchmark's layout.

    Attributes:
        Config: settings of the reader.
    """

    Config: ClassVar[type[Choice]]

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def read(self, source: Source) -> SourceTables:
        """Return the tables of `source`; its pictures are not opened.

        Raises:
            DataError: the source is not in this layout.
            StorageError: it cannot be read.
        """


readers: Registry[type[Reader]] = Registry("dataset reader")
