"""Reading a prepared dataset."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa
from pydantic import ConfigDict

from cirray.config import Config
from cirray.datasets.schema import ITEMS
from cirray.errors import ArtifactError, UnknownItemError
from cirray.storage import Artifact, table_from

ITEM_COLUMNS = [name for name in ITEMS.names if name != "image"]


class DatasetDetails(Config):
    """What the manifest of a dataset tells besides its inputs, as far as it is read again.

    Attributes:
        source: URI of the raw source.
        rejects: how many rows were rejected for each reason.
    """

    model_config = ConfigDict(extra="ignore")

    source: str
    rejects: dict[str, int]

    @classmethod
    def of(cls, artifact: Artifact) -> DatasetDetails:
        """Return the details of a dataset whose manifest also has the counts that preparation writes.

        Raises:
            ArtifactError: a part of them is missing.
        """
        if missing := {"items", "rejects"} - artifact.manifest.counts.keys():
            raise artifact.corrupt(f"counts: {' and '.join(sorted(missing))} missing.")
        return artifact.details(cls)


@dataclass(frozen=True)
class PreparedDataset:
    """The items and triplets of one committed dataset version. May be used from several threads.

    Pickles as its artifact, without what it has read.

    Raises:
        ArtifactError: the manifest lists no part of the item table.
    """

    artifact: Artifact
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[type[PreparedDataset], tuple[Artifact]]:
        return PreparedDataset, (self.artifact,)

    def __post_init__(self) -> None:
        if not self.item_parts:
            raise self.artifact.corrupt("it lists no part of the item table.")

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.artifact.manifest.name

    @property
    def fingerprint(self) -> str:
        """The fingerprint of its content."""
        return self.artifact.digest

    @property
    def reader(self) -> str:
        """Name of the reader of its source; empty where it was made in another way."""
        reader = self.artifact.manifest.settings.get("reader")
        return str(reader.get("name", "")) if isinstance(reader, dict) else ""

    @cached_property
    def splits(self) -> list[str]:
        """Names of the splits that have triplets."""
        parts = (name.removeprefix("triplets-").split("/")[0] for name in self.artifact.names("triplets-"))
        return list(dict.fromkeys(parts))

    @cached_property
    def item_parts(self) -> list[str]:
        """Names of the parts of the item table, in the order of the item ids."""
        return self.artifact.names("items/")

    def part(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Return one part of a table, of schema `ITEMS` or `TRIPLETS`, checked against its hash."""
        return table_from(self.artifact.read(name), columns)

    @cached_property
    def items(self) -> pa.Table:
        """All items without their pictures, sorted by id: the columns `ITEM_COLUMNS`."""
        return pa.concat_tables([self.part(name, ITEM_COLUMNS) for name in self.item_parts])

    def gallery(self, split: str) -> pa.Table:
        """Return the items of one split's gallery, without their pictures, sorted by id."""
        in_split = pa.array([split in splits for splits in self.items["splits"].to_pylist()])
        return self.items.filter(in_split)

    def triplets(self, split: str) -> pa.Table:
        """Return the triplets of one split, schema `TRIPLETS`, sorted by query id.

        Raises:
            ArtifactError: the dataset has no such split.
        """
        names = self.artifact.names(f"triplets-{split}/")
        if not names:
            raise ArtifactError(
                f"Dataset {self.name!r} has no split {split!r}; it has: {', '.join(self.splits) or 'none'}."
            )
        return pa.concat_tables([self.part(name) for name in names])

    def image(self, item_id: str) -> bytes:
        """Return the encoded picture of one item.

        Raises:
            UnknownItemError: the dataset has no such item.
        """
        try:
            part, row = self._places[item_id]
        except KeyError:
            raise UnknownItemError(f"Dataset {self.name!r} has no item {item_id!r}.") from None
        return bytes(self._images(part)[row].as_py())

    def _images(self, part: str) -> pa.ChunkedArray:
        # Held while a part is read: two threads that want the same one then read it once.
        with self._lock:
            if part not in self._loaded:
                if len(self._loaded) >= MAX_LOADED_PARTS:
                    self._loaded.pop(next(iter(self._loaded)))
                self._loaded[part] = self.part(part, ["image"])["image"]
            return self._loaded[part]

    @cached_property
    def _loaded(self) -> dict[str, pa.ChunkedArray]:
        return {}

    @cached_property
    def _places(self) -> dict[str, tuple[str, int]]:
        return {
            item_id: (name, row)
            for name in self.item_parts
            for row, item_id in enumerate(self.part(name, ["item_id"])["item_id"].to_pylist())
        }


MAX_LOADED_PARTS = 8
"""Parts whose pictures stay in memory for `image`: enough that a page of results reads each part once."""
