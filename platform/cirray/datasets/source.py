"""What a reader of a raw source offers to preparation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple

import pyarrow as pa

from cirray.config import Choice
from cirray.registry import Registry
from cirray.storage import FileStat, Location


@dataclass(frozen=True)
class Source:
    """A raw source: a place and what is there.

    Attributes:
        place: folder or prefix.
        files: all files below it but hidden ones, sorted by path.
    """

    place: Location
    files: tuple[FileStat, ...]

    @classmethod
    def open(cls, place: Location) -> Source:
        """List what is at `place`; hidden files, such as what a killed writer left, do not count.

        Raises:
            StorageError: it cannot be listed.
        """
        return cls(place, tuple(file for file in place.files() if not file.path.rpartition("/")[2].startswith(".")))

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Bytes of each file, by its path."""
        return {file.path: file.bytes for file in self.files}

    def __contains__(self, path: str) -> bool:
        return path in self.sizes

    def read(self, path: str) -> bytes:
        """Return the bytes of one file.

        Raises:
            StorageError: it cannot be read.
        """
        return (self.place / path).read()

    def __str__(self) -> str:
        return str(self.place)


class SourceReject(NamedTuple):
    """A row that a reader could not put into its table, such as one whose caption is a number.

    Attributes:
        kind: of what was rejected.
        id: item id or query id, as far as it is known.
        reason: a kebab-case word, such as "not-text" or "bad-encoding".
        detail: what exactly was wrong, for people.
    """

    kind: Literal["item", "triplet"]
    id: str
    reason: str
    detail: str


@dataclass(frozen=True)
class SourceTables:
    """A raw source, read but not yet checked.

    Attributes:
        items: schema `SOURCE_ITEMS`; any order, ids possibly repeated.
        triplets: by split, schema `TRIPLETS`; ids possibly unknown.
        rejects: rows that have no place in the tables.
    """

    items: pa.Table
    triplets: dict[str, pa.Table]
    rejects: tuple[SourceReject, ...] = ()


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
