"""Aliases: movable names ("latest", "live") that point at one immutable version."""

from __future__ import annotations

import re
from typing import TypeVar

from pydantic import ConfigDict, ValidationError

from cirray.config import Config
from cirray.errors import ArtifactError, ConflictError
from cirray.storage import conditional
from cirray.storage.fingerprint import VERSION_LENGTH
from cirray.storage.location import Location

ALIAS_NAME = re.compile(rf"(?![0-9a-f]{{{VERSION_LENGTH}}}$)[a-z][a-z0-9-]*")
"""A short word; what could be the name of a version is none."""


class Alias(Config):
    """What an alias points at. Some kinds tell more than this, which whoever only follows them passes over.

    Attributes:
        version: name of the version's folder.
        generation: how often the alias was moved, from 1; a mover that saw an older one has lost a race.
    """

    model_config = ConfigDict(extra="ignore")

    version: str
    generation: int


A = TypeVar("A", bound=Alias)


def read_alias(shelf: Location, alias: str) -> Alias | None:
    """Return what `alias` of the versions in `shelf` points at, or None where it was never set.

    Raises:
        ArtifactError: the alias file is corrupt.
        StorageError: it cannot be read.
    """
    found = read_alias_with_tag(shelf, alias, Alias)
    return found[0] if found else None


def read_alias_with_tag(shelf: Location, alias: str, kind: type[A]) -> tuple[A, str] | None:
    """Return an alias as the kind that it is, and the tag to pass to `write_alias`; None where it was never set.

    Raises:
        ArtifactError: the alias file is corrupt, or of another kind.
        StorageError: it cannot be read.
    """
    place = _place(shelf, alias)
    found = conditional.read_with_tag(place)
    if found is None:
        return None
    try:
        return kind.model_validate_json(found[0]), found[1]
    except ValidationError:
        raise ArtifactError(
            f"The alias file {place} is corrupt.", hint="Delete it and set the alias again."
        ) from None


def write_alias(shelf: Location, alias: str, value: Alias, tag: str | None) -> None:
    """Write an alias, unless somebody else did since its `tag` was read; None where there was none.

    Raises:
        ConflictError: somebody else did.
        StorageError: it cannot be written.
    """
    data = value.model_dump_json().encode()
    if tag is not None:
        conditional.replace(_place(shelf, alias), data, tag)
    elif not conditional.create(_place(shelf, alias), data):
        raise ConflictError(f"Alias {alias!r} of {shelf} was set by somebody else in between.", hint="Try again.")


def move_alias(shelf: Location, alias: str, version: str, *, expected_generation: int | None = None) -> Alias:
    """Point `alias` at `version` and return it; an alias that points there already stays as it is.

    Args:
        shelf: the folder that holds the versions.
        alias: such as "latest".
        version: name of the version's folder.
        expected_generation: the generation that the caller saw (0 for none); None moves whatever is there.

    Raises:
        ConflictError: the alias is at another generation, or was moved in between.
        StorageError: it cannot be written.
    """
    found = read_alias_with_tag(shelf, alias, Alias)
    generation = found[0].generation if found else 0
    if expected_generation is not None and generation != expected_generation:
        raise ConflictError(
            f"Alias {alias!r} of {shelf} is at generation {generation}, not {expected_generation}.",
            hint="Somebody else moved it: look at what it points to now, then try again.",
        )
    if found and found[0].version == version:
        return found[0]
    moved = Alias(version=version, generation=generation + 1)
    write_alias(shelf, alias, moved, found[1] if found else None)
    return moved


def _place(shelf: Location, alias: str) -> Location:
    return shelf / f"{alias}.json"
