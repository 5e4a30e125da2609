"""What an earlier version of the dataset has already, and how it is taken over."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from cirray.datasets.schema import HASHES
from cirray.errors import ArtifactError, StorageError
from cirray.prepare.known import Earlier
from cirray.prepare.part import PartResult
from cirray.prepare.plan import Part
from cirray.prepare.rejects import DUPLICATE_OF_OTHER_SPLIT, OF_PICTURES, Reject, rejects_of
from cirray.storage import Artifact, FileEntry, Location, Shelf, fingerprint, table_from

PARTS = "parts"
"""Key, in a manifest's details, of the fingerprints of the parts of its item table, by their names."""

PART_SETTINGS = "part_settings"
"""Key, in a manifest's details, of the fingerprint of what decides a part besides its items and their files."""

HASHES_FILE = "hashes.parquet"
REJECTS_FILE = "rejects.parquet"
COPY_THREADS = 16


@dataclass(frozen=True)
class Taken:
    """A part that an earlier version has.

    Attributes:
        result: as if it had been made now; its entry is that of the earlier version.
        dropped: ids of items that were left out of it because of their duplicates in other splits.
    """

    result: PartResult
    dropped: frozenset[str]


class Previous:
    """An earlier version, as far as it can be of use. Nothing is lost but time where there is none."""

    def __init__(self, artifact: Artifact | None) -> None:
        self.artifact = artifact
        self._names: dict[str, str] = {}
        if artifact is None:
            return
        try:
            parts = artifact.manifest.details[PARTS]
            self._hashes = _table(artifact, HASHES_FILE)
            self._rejects = {
                reject.id: reject
                for reject in rejects_of(_table(artifact, REJECTS_FILE))
                if reject.kind == "item" and reject.reason in OF_PICTURES
            }
            self._rows = {item_id: row for row, item_id in enumerate(self._hashes["item_id"].to_pylist())}
            self._names = {fingerprint: name for name, fingerprint in parts.items()}
        except (ArtifactError, StorageError, KeyError, AttributeError, pa.ArrowException, OSError):
            # Of another version of the code, or damaged: then everything is made anew.
            self._names = {}

    @classmethod
    def latest(cls, shelf: Shelf) -> Previous:
        """Return the version that the shelf's alias points at, if there is one that can be read."""
        try:
            return cls(shelf.open())
        except (ArtifactError, StorageError):
            return cls(None)

    def take(self, part: Part) -> Taken | None:
        """Return a part that was made of the same items and files before, or None."""
        name = self._names.get(part.fingerprint)
        if name is None or self.artifact is None:
            return None
        try:
            entry = self.artifact.entry(name)
            if (self.artifact.place / entry.path).size() != entry.bytes:
                return None
        except (ArtifactError, StorageError):
            return None
        rejects = [self._rejects[item_id] for item_id in part.ids if item_id in self._rejects]
        rows = [self._rows[item_id] for item_id in part.ids if item_id in self._rows]
        bad = {reject.id for reject in rejects if reject.reason != DUPLICATE_OF_OTHER_SPLIT}
        if len(rows) + len(bad) != len(part.ids):
            return None
        hashes = self._hashes.take(pa.array(rows, pa.int64()))
        dropped = frozenset(reject.id for reject in rejects) - bad
        kept = [reject for reject in rejects if reject.id in bad]
        return Taken(PartResult(part.number, entry, kept, hashes), dropped)

    def earlier(self, part: Part) -> Earlier | None:
        """Return what this version has of the pictures of a part that it has not as a whole, or None."""
        settings = {} if self.artifact is None else self.artifact.manifest.details
        if self.artifact is None or not self._names or settings.get(PART_SETTINGS) != fingerprint(part.settings):
            return None
        ids = [item_id for item_id in part.ids if item_id in self._rows]
        hashes = self._hashes.take(pa.array([self._rows[item_id] for item_id in ids], pa.int64()))
        if part.settings["resize"] == "none":
            return Earlier(self.artifact.place, [], hashes)
        names = sorted({self._part_of[item_id] for item_id in ids if item_id in self._part_of})
        return Earlier(self.artifact.place, [self.artifact.entry(name) for name in names], hashes)

    @cached_property
    def _part_of(self) -> dict[str, str]:
        """The part of the item table that has each item: parts follow each other in the order of the ids."""
        kept = sorted(item_id for item_id in self._rows if item_id not in self._rejects)
        entries = [self.artifact.entry(name) for name in self.artifact.names("items/")] if self.artifact else []
        counts = [entry.rows or 0 for entry in entries]
        if sum(counts) != len(kept):
            return {}
        names = (entry.name for entry, count in zip(entries, counts, strict=True) for _ in range(count))
        return dict(zip(kept, names, strict=True))

    def copy(self, results: Iterable[PartResult], names: dict[int, str], target: Location) -> list[PartResult]:
        """Copy the files of parts that were taken into the new version, under their new names.

        Args:
            results: of `take`.
            names: of the parts in the new version, by their numbers.
            target: place of the new version.

        Raises:
            StorageError: a file is gone or cannot be written.
        """
        if self.artifact is None:
            return []
        place = self.artifact.place

        def copied(result: PartResult) -> PartResult:
            entry = FileEntry.named(names[result.number], result.entry)
            (place / result.entry.path).copy_to(target / entry.path)
            return PartResult(result.number, entry, result.rejects, result.hashes)

        with ThreadPoolExecutor(COPY_THREADS) as pool:
            return list(pool.map(copied, results))


def pictures_of(rejects: Iterable[Reject]) -> set[str]:
    """Return the ids of the items among `rejects` that were left out for their pictures."""
    return {reject.id for reject in rejects if reject.kind == "item" and reject.reason in OF_PICTURES}


def _table(artifact: Artifact, name: str) -> pa.Table:
    table = table_from(artifact.read(name))
    return table.cast(HASHES) if name == HASHES_FILE else table
