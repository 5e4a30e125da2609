"""Aliases: movable names ("latest", "live") that point at one immutable version."""

from __future__ import annotations

from pydantic import ValidationError

from cirray.config import Config
from cirray.errors import ArtifactError, ConflictError
from cirray.storage import conditional
from cirray.storage.location import Location


class Alias(Config):
    """What an alias points at.

    Attributes:
        version: name of the version's folder.
        generation: how often the alias was moved, from 1; a mover that saw an older one has lost a race.
    """

    version: str
    generation: int


def read_alias(shelf: Location, alias: str) -> Alias | None:
    """Return what `alias` of the versions in `shelf` points at, or None where it was never set.

    Raises:
        ArtifactError: the alias file is corrupt.
        StorageError: it cannot be read.
    """
    found = _read(shelf, alias)
    return found[0] if found else None


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
    found = _read(shelf, alias)
    generation = found[0].generation if found else 0
    if expected_generation is not None and generation != expected_generation:
        raise ConflictError(
            f"Alias {alias!r} of {shelf} is at generation {generation}, not {expected_generation}.",
            hint="Somebody else moved it: look at what it points to now, then try again.",
        )
    if found and found[0].version == version:
        return found[0]
    moved = Alias(version=version, generation=generation + 1)
    data = moved.model_dump_json().encode()
    if found:
        conditional.replace(_place(shelf, alias), data, found[1])
    elif not conditional.create(_place(shelf, alias), data):
        raise ConflictError(f"Alias {alias!r} of {shelf} was set by somebody else in between.", hint="Try again.")
    return moved


def _place(shelf: Location, alias: str) -> Location:
    return shelf / f"{alias}.json"


def _read(shelf: Location, alias: str) -> tuple[Alias, str] | None:
    found = conditional.read_with_tag(_place(shelf, alias))
    if found is None:
        return None
    try:
        return Alias.model_validate_json(found[0]), found[1]
    except ValidationError:
        raise ArtifactError(
            f"The alias file {_place(shelf, alias)} is corrupt.", hint="Delete it and set the alias again."
        ) from None
