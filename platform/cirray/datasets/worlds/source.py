"""A generated world as a raw source: written once, and read like any downloaded benchmark.

images/….png                    the pictures
items.parquet                   schema SOURCE_ITEMS
triplets-<split>.parquet        schema TRIPLETS
dataset.json                    written last: without it nothing here counts
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import ValidationError

from cirray.config import Config
from cirray.datasets.raw import Progress, read_table, write_files
from cirray.datasets.schema import SOURCE_ITEMS, TRIPLETS
from cirray.datasets.source import Reader, Source, SourceTables
from cirray.datasets.worlds.world import SPLITS, Picture, WorldKind, world_of, worlds
from cirray.errors import DataError, StorageError
from cirray.storage import Location, conditional, table_bytes

MARKER = "dataset.json"

CLAIM = ".generating.json"
"""What is being written at a place, or was as its writer was killed; hidden, and so no file of the source."""

Draw = Callable[[Location, Sequence[Picture], Callable[[int], None]], None]
"""Writes pictures below a place, and calls back with how many more there are."""


class WorldMarker(Config):
    """What `dataset.json` says of a finished source.

    Attributes:
        reader: name of the world and of its reader.
        generator_version: of the code that drew the world.
        config: the settings of the world.
        counts: items and triplets, in all and by split.
    """

    reader: str
    generator_version: int
    config: dict[str, Any]
    counts: dict[str, int]


@dataclass(frozen=True)
class WriteResult:
    """What a call of `write_world` came to.

    Attributes:
        written: whether files were written; False where the same world was there already.
        counts: items and triplets, in all and by split.
    """

    written: bool
    counts: dict[str, int]


def draw_here(place: Location, pictures: Sequence[Picture], wrote: Callable[[int], None]) -> None:
    """Draw pictures in this process, one after the other, and write them below `place`."""
    write_files(place, ((picture.path, picture.draw()) for picture in pictures), wrote)


def write_world(
    config: Config, place: Location, progress: Progress | None = None, draw: Draw = draw_here
) -> WriteResult:
    """Write the world that `config` gives as a raw source; nothing is written where it is complete already.

    Two writers of the same world at once write the same files. Of two different worlds the second is refused, since
    it would put its pictures among those of the first.

    Args:
        config: of one of the `worlds`, which its type names.
        place: folder or prefix of the source.
        progress: called with (pictures written, pictures in all).
        draw: draws and writes the pictures; by default in this process.

    Raises:
        ConfigError: no world can be made from `config`.
        DataError: another source is at `place`, or is being written there.
        StorageError: it cannot be written.
    """
    world = world_of(config)
    if (place / MARKER).exists():
        return WriteResult(False, _same_world(world, config, place / MARKER).counts)
    plan = world.plan(config)
    _claim(world, config, place)
    if (place / MARKER).exists():  # finished since, and its writer's claim gone with it
        (place / CLAIM).delete()
        return WriteResult(False, _same_world(world, config, place / MARKER).counts)
    total, done = len(plan.pictures), 0

    def wrote(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, total)

    draw(place, plan.pictures, wrote)
    for split, triplets in plan.tables.triplets.items():
        (place / _triplets_file(split)).write(table_bytes(triplets))
    (place / "items.parquet").write(table_bytes(plan.tables.items))
    marker = _marker(world, config, _counts(plan.tables))
    (place / MARKER).write(marker.model_dump_json(indent=1).encode())
    (place / CLAIM).delete()
    return WriteResult(True, marker.counts)


class WorldReader(Reader):
    """Reads a source that `write_world` wrote: base of the readers of all worlds.

    Attributes:
        world: name of the world.
    """

    world: ClassVar[str]

    def read(self, source: Source) -> SourceTables:
        """Return the tables of `source`.

        Raises:
            DataError: it was not finished, is of another kind, or its tables are not what they should be.
            StorageError: it cannot be read.
        """
        world = worlds[self.world]
        if MARKER not in source:
            raise DataError(
                f"{source} has no {MARKER}: its generation was not finished, or it is no {world.title} source.",
                hint=f"Generate it with `cirray generate {world.name} --root …`.",
            )
        _read_marker(world, source.place / MARKER)
        return SourceTables(
            items=read_table(source.file("items.parquet"), SOURCE_ITEMS),
            triplets={split: read_table(source.file(_triplets_file(split)), TRIPLETS) for split in SPLITS},
        )


def _marker(world: WorldKind, config: Config, counts: dict[str, int]) -> WorldMarker:
    return WorldMarker(
        reader=world.name,
        generator_version=world.version,
        config=config.model_dump(mode="json"),
        counts=counts,
    )


def _claim(world: WorldKind, config: Config, place: Location) -> None:
    """Say that this world is being written at `place`, before its first file.

    Raises:
        DataError: another world is being written there, or was left unfinished.
        StorageError: it cannot be written.
    """
    wanted = _marker(world, config, {})
    if conditional.create(place / CLAIM, wanted.model_dump_json(indent=1).encode()):
        return
    with suppress(StorageError):  # whoever made it has finished since: the marker tells of what
        _same_world(world, config, place / CLAIM)


def _same_world(world: WorldKind, config: Config, file: Location) -> WorldMarker:
    found, place = _read_marker(world, file), file.uri.rpartition("/")[0]
    given = {"version": found.generator_version, **_flat(found.config)}
    wanted = {"version": world.version, **_flat(config.model_dump(mode="json"))}
    if given == wanted:
        return found
    differing = ", ".join(
        f"{key}={given.get(key)!r} (now {wanted.get(key)!r})"
        for key in dict.fromkeys([*wanted, *given])
        if given.get(key) != wanted.get(key)
    )
    verb = "holds" if file.uri.endswith(f"/{MARKER}") else "is being given, or was given half of,"
    raise DataError(
        f"{place} {verb} a {world.title} world of other settings: {differing}.",
        hint="Give the new world another name, or delete that folder first.",
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one level, with keys such as "stage.width"."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _read_marker(world: WorldKind, file: Location) -> WorldMarker:
    data = file.read()
    try:
        marker = WorldMarker.model_validate_json(data)
    except ValidationError:
        marker = None
    if marker is None or marker.reader != world.name:
        raise DataError(
            f"{file} does not describe a {world.title} source{_reader_named_in(data, world.name)}.",
            hint="Give another name, or delete that folder and generate it again.",
        )
    return marker


def _reader_named_in(data: bytes, expected: str) -> str:
    try:
        values = json.loads(data)
    except ValueError:
        return ""
    reader = values.get("reader") if isinstance(values, dict) else None
    return f" but one for reader {reader!r}" if reader and reader != expected else ""


def _counts(tables: SourceTables) -> dict[str, int]:
    items = Counter(split for splits in tables.items["splits"].to_pylist() for split in splits)
    counts = {"items": tables.items.num_rows}
    for split, triplets in tables.triplets.items():
        counts |= {f"items_{split}": items[split], f"triplets_{split}": triplets.num_rows}
    return counts


def _triplets_file(split: str) -> str:
    return f"triplets-{split}.parquet"
