"""A generated CSS-2D world as a raw source: written once, and read like any downloaded benchmark.

images/css_train_000000.png …   the pictures
items.parquet                   schema SOURCE_ITEMS
triplets-<split>.parquet        schema TRIPLETS
dataset.json                    written last: without it nothing here counts
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from pydantic import ValidationError

from cirray.config import Choice, Config
from cirray.datasets.css import SPLITS, CssConfig, World, generate, image_files, tables
from cirray.datasets.raw import Progress, read_table, table_bytes, write_files
from cirray.datasets.schema import SOURCE_ITEMS, TRIPLETS
from cirray.datasets.source import Reader, Source, SourceTables, readers
from cirray.errors import DataError
from cirray.storage import Location

READER: Literal["css-2d"] = "css-2d"
MARKER = "dataset.json"
GENERATOR_VERSION = 2
"""Goes up when the same settings no longer give the same world."""


class CssMarker(Config):
    """What `dataset.json` says of a finished source.

    Attributes:
        reader: always "css-2d".
        generator_version: of the code that drew the world.
        config: the settings of the world.
        counts: items and triplets, in all and by split.
    """

    reader: str = READER
    generator_version: int
    config: CssConfig
    counts: dict[str, int]


@dataclass(frozen=True)
class WriteResult:
    """What a call of `write_css` came to.

    Attributes:
        written: whether files were written; False where the same world was there already.
        counts: items and triplets, in all and by split.
    """

    written: bool
    counts: dict[str, int]


def write_css(config: CssConfig, place: Location, progress: Progress | None = None) -> WriteResult:
    """Write the world that `config` gives as a raw source; nothing is written where it is complete already.

    Args:
        config: of the world.
        place: folder or prefix of the source.
        progress: called with (pictures written, pictures in all).

    Raises:
        ConfigError: no world can be made from `config`.
        DataError: another source is at `place`.
        StorageError: it cannot be written.
    """
    if (place / MARKER).exists():
        return WriteResult(False, _same_world(config, place).counts)
    worlds = [generate(config, split) for split in SPLITS]
    total, done = sum(len(world.scenes) for world in worlds), 0

    def wrote(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, total)

    for world in worlds:
        write_files(place, image_files(world), wrote)
    counts = _write_tables(worlds, place)
    marker = CssMarker(generator_version=GENERATOR_VERSION, config=config, counts=counts)
    (place / MARKER).write(marker.model_dump_json(indent=1).encode())
    return WriteResult(True, marker.counts)


class Css2dConfig(Choice):
    """Settings of `Css2d`: none but its name."""

    name: Literal["css-2d"] = READER


@readers.register(READER)
class Css2d(Reader):
    """Reads a source that `write_css` wrote."""

    Config = Css2dConfig

    def read(self, source: Source) -> SourceTables:
        """Return the tables of `source`.

        Raises:
            DataError: it was not finished, is of another kind, or its tables are not what they should be.
            StorageError: it cannot be read.
        """
        if MARKER not in source:
            raise DataError(
                f"{source} has no {MARKER}: its generation was not finished, or it is no CSS-2D source.",
                hint="Generate it with `cirray generate css-2d --root …`.",
            )
        _read_marker(source.place)
        return SourceTables(
            items=read_table(source.place / "items.parquet", SOURCE_ITEMS),
            triplets={split: read_table(source.place / _triplets_file(split), TRIPLETS) for split in SPLITS},
        )


def _same_world(config: CssConfig, place: Location) -> CssMarker:
    found = _read_marker(place)
    given = {"version": found.generator_version, **found.config.model_dump()}
    wanted = {"version": GENERATOR_VERSION, **config.model_dump()}
    if given == wanted:
        return found
    differing = ", ".join(
        f"{key}={given[key]!r} (now {wanted[key]!r})" for key in wanted if given[key] != wanted[key]
    )
    raise DataError(
        f"{place} holds a CSS-2D world of other settings: {differing}.",
        hint="Give the new world another name, or delete that folder first.",
    )


def _read_marker(place: Location) -> CssMarker:
    data = (place / MARKER).read()
    try:
        marker = CssMarker.model_validate_json(data)
    except ValidationError:
        marker = None
    if marker is None or marker.reader != READER:
        raise DataError(
            f"{place / MARKER} does not describe a CSS-2D source{_reader_named_in(data)}.",
            hint="Give another name, or delete that folder and generate it again.",
        )
    return marker


def _reader_named_in(data: bytes) -> str:
    try:
        values = json.loads(data)
    except ValueError:
        return ""
    reader = values.get("reader") if isinstance(values, dict) else None
    return f" but one for reader {reader!r}" if reader and reader != READER else ""


def _write_tables(worlds: list[World], place: Location) -> dict[str, int]:
    counts: dict[str, int] = {}
    items = []
    for world in worlds:
        rows, triplets = tables(world)
        items.append(rows)
        (place / _triplets_file(world.split)).write(table_bytes(triplets))
        counts |= {f"items_{world.split}": rows.num_rows, f"triplets_{world.split}": triplets.num_rows}
    (place / "items.parquet").write(table_bytes(pa.concat_tables(items)))
    return {"items": sum(table.num_rows for table in items), **counts}


def _triplets_file(split: str) -> str:
    return f"triplets-{split}.parquet"
