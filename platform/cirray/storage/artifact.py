"""Immutable artifacts: files named by their content, and one manifest that makes them exist.

A writer first puts files, each under a name that carries its content's hash, so that two writers, or a writer
and the ghost of one that was killed, can never overwrite each other. It then creates the manifest, in one
conditional write: the first to do so wins, and whoever comes second finds the artifact made. A reader opens the
manifest and nothing else; files that no manifest lists do not exist for it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from cirray.config import Config, from_mapping
from cirray.errors import ArtifactError, ConfigError
from cirray.storage import conditional
from cirray.storage.fingerprint import fingerprint, library_versions
from cirray.storage.location import Location

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1

D = TypeVar("D", bound=Config)


class FileEntry(Config):
    """One file of an artifact.

    Attributes:
        name: what readers call it, such as "items/part-00000.parquet".
        path: where it is, relative to the artifact; `name` with the content's hash in it.
        bytes: its size.
        sha256: hex digest of its content.
        rows: number of rows, where it is a table.
    """

    name: str
    path: str
    bytes: int
    sha256: str
    rows: int | None = None

    @classmethod
    def named(cls, name: str, entry: FileEntry) -> FileEntry:
        """Return the entry of a file with the same content under another name."""
        return entry.model_copy(update={"name": name, "path": _path(name, entry.sha256)})


class Manifest(Config):
    """What an artifact is, what it was made from, and which files it consists of.

    Attributes:
        schema_version: of this manifest's own shape.
        kind: "dataset", "bundle" or "index".
        name: the name under which versions of the same thing are kept.
        fingerprint: of all inputs and settings.
        inputs: fingerprints of the artifacts and sources that it was made from, by role.
        settings: what it was made with.
        counts: how many of what is in it.
        details: what else readers of this kind need.
        files: all its files.
        versions: of the libraries that made it.
    """

    schema_version: int = SCHEMA_VERSION
    kind: str
    name: str
    fingerprint: str
    inputs: dict[str, str] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    counts: dict[str, int] = Field(default_factory=dict)
    details: dict[str, Any] = Field(default_factory=dict)
    files: tuple[FileEntry, ...] = ()
    versions: dict[str, str] = Field(default_factory=library_versions)


def put_file(
    place: Location, name: str, data: bytes | memoryview, *, rows: int | None = None, durable: bool = True
) -> FileEntry:
    """Write one file of the artifact at `place` and return its entry for the manifest.

    Args:
        place: of the artifact.
        name: what readers call the file.
        data: its content.
        rows: number of rows, where it is a table.
        durable: as for `Location.write`; if not, whoever commits the manifest must `sync` the file first.

    Raises:
        StorageError: it cannot be written.
    """
    digest = hashlib.sha256(data).hexdigest()
    path = _path(name, digest)
    (place / path).write(data, durable=durable)
    return FileEntry(name=name, path=path, bytes=len(data), sha256=digest, rows=rows)


def _path(name: str, digest: str) -> str:
    logical = PurePosixPath(name)
    return str(logical.with_name(f"{logical.stem}.{digest[:12]}{logical.suffix}"))


def commit(place: Location, manifest: Manifest) -> Artifact:
    """Make the artifact exist, and return it; where another writer was first, return that one's.

    Raises:
        StorageError: the manifest cannot be written.
    """
    created = conditional.create(place / MANIFEST, manifest.model_dump_json(indent=1).encode())
    return Artifact(place, manifest) if created else Artifact.open(place, manifest.kind)


@dataclass(frozen=True)
class Artifact:
    """An artifact whose manifest was read and found good."""

    place: Location
    manifest: Manifest

    @classmethod
    def open(cls, place: Location, kind: str) -> Artifact:
        """Return the artifact at `place`.

        Raises:
            ArtifactError: none was finished there, its manifest is unreadable, or it is of another kind.
            StorageError: the place cannot be read.
        """
        if not (place / MANIFEST).exists():
            raise ArtifactError(
                f"There is no finished {kind} at {place} (no {MANIFEST}).", hint=f"Make the {kind} again."
            )
        try:
            manifest = Manifest.model_validate_json((place / MANIFEST).read())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise ArtifactError(
                f"The manifest {place / MANIFEST} is corrupt or of another version: {where}: {first['msg']}.",
                hint=f"Delete {place} and make the {kind} again.",
            ) from None
        if manifest.kind != kind:
            raise ArtifactError(f"{place} is a {manifest.kind}, where a {kind} was asked for.")
        if manifest.schema_version != SCHEMA_VERSION:
            raise ArtifactError(
                f"The {kind} at {place} has schema version {manifest.schema_version}; this cirray reads "
                f"{SCHEMA_VERSION}.",
                hint="Use the cirray that wrote it, or make it again.",
            )
        return cls(place, manifest)

    @property
    def version(self) -> str:
        """The folder's name: the version of this artifact among those of the same name."""
        return PurePosixPath(self.place.path).name

    @cached_property
    def digest(self) -> str:
        """Fingerprint of the content itself: equal digests mean equal bytes, whoever made them."""
        return fingerprint([[entry.name, entry.sha256] for entry in self.manifest.files])

    def details(self, kind: type[D]) -> D:
        """Return the manifest's details as the model that describes them.

        Raises:
            ArtifactError: something is missing there, or is not what it should be.
        """
        try:
            return from_mapping(kind, self.manifest.details)
        except ConfigError as error:
            raise self.corrupt(str(error)) from None

    def corrupt(self, reason: str) -> ArtifactError:
        """Return the error that says why this manifest cannot be used."""
        return ArtifactError(
            f"The manifest of the {self.manifest.kind} at {self.place} is corrupt or of another version: {reason}",
            hint=f"Delete {self.place} and make the {self.manifest.kind} again.",
        )

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of the files that start with `prefix`, in the manifest's order."""
        return [entry.name for entry in self.manifest.files if entry.name.startswith(prefix)]

    def entry(self, name: str) -> FileEntry:
        """Return the entry of one file.

        Raises:
            ArtifactError: the artifact has no such file.
        """
        try:
            return self._entries[name]
        except KeyError:
            raise ArtifactError(f"The {self.manifest.kind} at {self.place} has no file {name!r}.") from None

    def read(self, name: str) -> bytes:
        """Return the content of one file, checked against its hash.

        Raises:
            ArtifactError: the artifact has no such file, or its content is not what the manifest says.
            StorageError: it cannot be read.
        """
        entry = self.entry(name)
        data = (self.place / entry.path).read()
        self._check(entry, data)
        return data

    def mapped(self, name: str) -> bytes | memoryview:
        """Return the content of one file as `read` does, but in a folder mapped from it: it then takes no memory of
        the process's own, and several processes share it.

        Raises:
            ArtifactError, StorageError: as `read`.
        """
        entry = self.entry(name)
        place = self.place / entry.path
        data = place.mapped() if place.is_local and entry.bytes else place.read()
        self._check(entry, data)
        return data

    def _check(self, entry: FileEntry, data: bytes | memoryview) -> None:
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise ArtifactError(
                f"{self.place / entry.path} is not what its manifest lists ({len(data)} bytes where "
                f"{entry.bytes} were written, or other content).",
                hint=f"Delete {self.place} and make the {self.manifest.kind} again.",
            )

    @cached_property
    def _entries(self) -> dict[str, FileEntry]:
        return {entry.name: entry for entry in self.manifest.files}
