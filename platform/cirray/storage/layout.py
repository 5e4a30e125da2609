"""The layout under one root URI: which kind of thing lives where."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cirray.errors import ArtifactError, ConfigError, ConflictError, StorageError
from cirray.storage.alias import ALIAS_NAME, move_alias, read_alias
from cirray.storage.artifact import MANIFEST, Artifact
from cirray.storage.fingerprint import VERSION_LENGTH
from cirray.storage.location import Location

ALIAS_ATTEMPTS = 5

CHECKPOINTS = "checkpoints"
"""Folder of a run that holds its checkpoints."""

_WRITTEN = ("datasets", "models", "indexes", "runs", "sweeps", "trials", "feedback")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class Shelf:
    """All versions of one named artifact: `<family>/<name>/<version>/`, and aliases beside them."""

    place: Location
    kind: str
    alias: str

    def version(self, fingerprint: str) -> Location:
        """Return the place of the version with this fingerprint."""
        return self.place / fingerprint[:VERSION_LENGTH]

    def has(self, fingerprint: str) -> bool:
        """Return whether the version with this fingerprint is finished."""
        return (self.version(fingerprint) / MANIFEST).exists()

    def open(self, version: str | None = None) -> Artifact:
        """Return one version, or the one that an alias points at.

        Args:
            version: name of a version or of an alias, such as "live"; None for the shelf's own alias.

        Raises:
            ArtifactError: there is no such version, or it is unfinished or corrupt.
        """
        name = self.alias if version is None else version
        alias = read_alias(self.place, name) if ALIAS_NAME.fullmatch(name) else None
        if alias is not None:
            name = alias.version
        elif version is None:
            raise ArtifactError(self._nothing_here())
        elif name not in self.versions():
            listed = ", ".join(self.versions()) or "none"
            hint = f"Nor was an alias {name!r} ever set." if ALIAS_NAME.fullmatch(name) else ""
            raise ArtifactError(f"{self.place} has no version {version!r}; there are: {listed}.", hint=hint)
        return Artifact.open(self.place / name, self.kind)

    def versions(self) -> list[str]:
        """Return the names of the finished versions."""
        return [name for name in self.place.folders() if (self.place / name / MANIFEST).exists()]

    def point_at(self, version: str) -> None:
        """Move the shelf's alias; where somebody else is moving it at the same moment, after them.

        Raises:
            ConflictError: somebody else was quicker every time.
            StorageError: it cannot be written.
        """
        for attempt in range(ALIAS_ATTEMPTS):
            try:
                move_alias(self.place, self.alias, version)
                return
            except ConflictError:
                if attempt + 1 == ALIAS_ATTEMPTS:
                    raise

    def _nothing_here(self) -> str:
        verb = {"dataset": "cirray prepare", "bundle": "cirray train", "index": "cirray index build"}[self.kind]
        return f"There is no {self.kind} at {self.place}. Make it with `{verb}`, or check --root and the name."


@dataclass(frozen=True)
class Root:
    """The root under which everything of one deployment lives."""

    place: Location

    @classmethod
    def open(cls, uri: str, *, create: bool = False) -> Root:
        """Return the root at `uri`, after making sure that it can be read.

        Raises:
            StorageError: the root does not exist (and `create` is false) or cannot be read.
        """
        place = Location.parse(uri)
        if place.is_local and create:
            try:
                place.filesystem.create_dir(place.path)
            except OSError as error:
                raise StorageError(f"The root {place} cannot be made: {error}.") from error
        # A prefix in a bucket need not exist before its first object does, so there the bucket is asked for.
        probe = place if place.is_local else Location.parse(f"s3://{place.path.split('/')[0]}")
        if not probe.exists():
            what = "folder" if place.is_local else "bucket"
            raise StorageError(f"The root {place} cannot be read: there is no {what} {probe}.")
        return cls(place)

    @property
    def uri(self) -> str:
        """The root's URI."""
        return self.place.uri

    def shelves_in(self, place: Location) -> tuple[str, ...]:
        """Return the prefixes, relative to `place`, of what cirray writes there: none unless the root lies in it.

        So a bucket may be both root and source: what is made of it is no part of it.
        """
        inside = self.place.is_local == place.is_local and f"{self.place.path}/".startswith(f"{place.path}/")
        if not inside:
            return ()
        below = f"{self.place.path}/"[len(place.path) + 1 :]
        return tuple(f"{below}{folder}/" for folder in _WRITTEN)

    def raw(self, name: str) -> Location:
        """Return where the raw source `name` is kept, if it is kept under this root."""
        return self.place / "raw" / _checked(name)

    def runs(self) -> Location:
        """Return where training keeps its runs: `<run>/checkpoints/<checkpoint>/`, and who trains it beside them."""
        return self.place / "runs"

    def sweeps(self, recipe: str) -> Location:
        """Return where the sweeps of a recipe keep what they know."""
        return self.place / "sweeps" / _checked(recipe)

    def trials(self, recipe: str) -> Location:
        """Return where it is kept what the runs of a recipe came to in sweeps."""
        return self.place / "trials" / _checked(recipe)

    def feedback(self, index: str) -> Location:
        """Return where verdicts on what an index found are kept."""
        return self.place / "feedback" / _checked(index)

    def dataset(self, name: str) -> Shelf:
        """Return the prepared versions of a dataset."""
        return Shelf(self.place / "datasets" / _checked(name), "dataset", "latest")

    def model(self, name: str) -> Shelf:
        """Return the bundles of a model."""
        return Shelf(self.place / "models" / _checked(name), "bundle", "latest")

    def index(self, name: str) -> Shelf:
        """Return the versions of an index."""
        return Shelf(self.place / "indexes" / _checked(name), "index", "live")


def _checked(name: str) -> str:
    """Return the name, which becomes a path below the root and must not lead out of it."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be a name.", hint="Use letters, digits, '.', '_' and '-', and '/' between two parts."
        )
    return name
