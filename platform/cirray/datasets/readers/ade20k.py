"""ADE20K, the full release, for label retrieval: pictures by scene, with the objects that were segmented in them.

release of 2016    images/training/a/abbey/ADE_train_00000001.jpg and, beside it, ADE_train_00000001_atr.txt, lines
                   "instance # part level # occluded # class # name # attributes"
release of 2021    images/ADE/training/urban/street/ADE_train_00000001.jpg and, beside it, ADE_train_00000001.json,
                   {"annotation": {"object": [{"name": …, "parts": {"part_level": 0}}, …]}}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

from pydantic import Field

from cirray.config import Choice
from cirray.datasets.readers.drawing import database_and_queries
from cirray.datasets.readers.files import json_of, text_of
from cirray.datasets.schema import items_table
from cirray.datasets.source import Reader, Source, SourceTables, readers
from cirray.errors import DataError

READER: Literal["ade20k"] = "ade20k"
WITHOUT_SCENE = frozenset(("misc", "outlier", "outliers"))

_PICTURE = re.compile(r"(?:.*/)?(training|validation)/(.+)/(ADE_[^/]+)\.jpg")
_READERS = 16
"""Annotations that are fetched at once: there are twenty thousand small files, and an object store answers slowly."""


class _Found(NamedTuple):
    item_id: str
    path: str
    scene: str


class Ade20kConfig(Choice):
    """Settings of `Ade20k`.

    Attributes:
        part: of the release.
        shots: pictures of each scene in the database.
        seed: of their draw.
    """

    name: Literal["ade20k"] = READER
    part: Literal["training", "validation", "all"] = "training"
    shots: int = Field(3, ge=1)
    seed: int = 0


@readers.register(READER)
class Ade20k(Reader):
    """Reads ADE20K for label retrieval, as in "Using Text to Teach Image Retrieval": items, and no triplets.

    The label is the scene; pictures of "misc" and "outliers" have none and are left out, as in the paper (715 scenes,
    17,956 pictures). Three pictures of each scene are in split "database", all others in "query". The caption is the
    side text, the attributes the objects in it.

    Own choices, where the paper is silent: only the training part is read, whose 20,210 pictures are the smallest
    part that can hold 17,956; the scene is the folder, without the letter that the release of 2016 sorts by, and with
    a subfolder where there is one ("apartment_building/outdoor"); the side text names each segmented object once, in
    the order of the annotation and by the first of its synonyms, without parts of objects. A picture without an
    annotation, or with none of an object, has an empty caption, and so no text node.
    """

    Config = Ade20kConfig

    def read(self, source: Source) -> SourceTables:
        """Return items by folders and annotations.

        Raises:
            DataError: there are no pictures in the folders of a release, or an annotation is malformed.
            StorageError: an annotation cannot be read.
        """
        found = self._pictures(source)
        if not found:
            raise DataError(
                f"{source} has no pictures {self.config.part}/<scene>/ADE_….jpg.",
                hint="Give the folder of the full ADE20K release; the scene parsing challenge has no scene folders.",
            )
        with ThreadPoolExecutor(_READERS) as pool:
            objects = list(pool.map(lambda picture: _objects(source, picture.path.removesuffix(".jpg")), found))
        split_of = database_and_queries(
            {picture.item_id: picture.scene for picture in found}, self.config.shots, self.config.seed
        )
        items = (
            {
                "item_id": picture.item_id,
                "path": picture.path,
                "label": picture.scene,
                "caption": ", ".join(names),
                "attributes": names,
                "splits": [split_of[picture.item_id]],
            }
            for picture, names in zip(found, objects, strict=True)
        )
        return SourceTables(items_table(items), {})

    def _pictures(self, source: Source) -> list[_Found]:
        found = []
        for file in source.files:
            matched = _PICTURE.fullmatch(file.path)
            if matched and self.config.part in (matched[1], "all"):
                scene = "/".join(name for name in matched[2].split("/") if len(name) > 1)
                if scene and WITHOUT_SCENE.isdisjoint(scene.lower().split("/")):
                    found.append(_Found(matched[3], file.path, scene))
        return found


def _objects(source: Source, stem: str) -> list[str]:
    """Return the names of the whole objects of one picture, each once."""
    names: Iterator[str] = iter(())
    if f"{stem}.json" in source:
        names = _of_2021(source, f"{stem}.json")
    elif f"{stem}_atr.txt" in source:
        names = _of_2016(source, f"{stem}_atr.txt")
    return list(dict.fromkeys(name for name in (name.split(",")[0].strip() for name in names) if name))


def _of_2016(source: Source, path: str) -> Iterator[str]:
    for number, line in enumerate(text_of(source, path).splitlines(), start=1):
        columns = [column.strip() for column in line.split("#")]
        if columns == [""]:
            continue
        if len(columns) < 5 or not columns[1].isdecimal():
            raise DataError(
                f"{source}/{path}, line {number}, is not 'instance # part level # occluded # class # name # "
                f"attributes' but {line[:80]!r}."
            )
        if int(columns[1]) == 0:
            yield columns[3]


def _of_2021(source: Source, path: str) -> Iterator[str]:
    values = json_of(source, path)
    annotation = values.get("annotation") if isinstance(values, dict) else None
    objects = annotation.get("object") if isinstance(annotation, dict) else None
    if not isinstance(objects, list):
        raise DataError(f"{source}/{path} has no list annotation.object.")
    for number, found in enumerate(objects):
        record: dict[str, Any] = found if isinstance(found, dict) else {}
        parts, name = record.get("parts"), record.get("name")
        level = parts.get("part_level", 0) if isinstance(parts, dict) else 0
        if not isinstance(name, str):
            raise DataError(f"{source}/{path}, annotation.object[{number}], has no name that is a text.")
        if level in (0, "0"):
            yield name
