"""OpenImages, the validation split, for label retrieval: pictures with their sets of labels and narratives.

validation/<image id>.jpg
validation-annotations-human-imagelabels.csv          ImageID, Source, LabelName, Confidence
class-descriptions.csv                                LabelName, DisplayName, with or without a header
open_images_validation_localized_narratives.jsonl     {"image_id": …, "caption": …} a line

The files of labels and names that say "-boxable", and those of later versions ("oidv7-…"), are read as well.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from cirray.config import Choice
from cirray.datasets.readers.drawing import database_and_queries
from cirray.datasets.readers.files import text_of
from cirray.datasets.readers.rows import csv_rows, unreadable
from cirray.datasets.schema import items_table
from cirray.datasets.source import Reader, Source, SourceTables, readers
from cirray.errors import DataError

READER: Literal["open-images"] = "open-images"
LABELS = (
    "validation-annotations-human-imagelabels-boxable.csv",
    "validation-annotations-human-imagelabels.csv",
    "oidv7-val-annotations-human-imagelabels.csv",
)
NAMES = ("class-descriptions-boxable.csv", "class-descriptions.csv", "oidv7-class-descriptions.csv")
NARRATIVES = "open_images_validation_localized_narratives.jsonl"
PICTURES = "validation"
SEPARATOR = "|"


class OpenImagesConfig(Choice):
    """Settings of `OpenImages`.

    Attributes:
        labels_file: name of the file of labels; empty for the first that there is, that of the 600 boxable classes
            before that of all.
        shots: pictures of each label set in the database.
        seed: of their draw.
    """

    name: Literal["open-images"] = READER
    labels_file: str = ""
    shots: int = Field(3, ge=1)
    seed: int = 0


@readers.register(READER)
class OpenImages(Reader):
    """Reads OpenImages for label retrieval, as in "Using Text to Teach Image Retrieval": items, and no triplets.

    The label of an item is its whole set of labels, sorted, since an answer is right only if the sets are equal.
    Three pictures of each set are in split "database", all others in "query". The caption is the localized narrative.

    The paper counts 41,620 pictures, 528 sets, 1,486 in the database and 39,665 queries, which leaves 469 pictures
    unexplained, and does not say which labels make up the sets. Own choices: labels are those that people verified
    as present (Confidence 1), by default of the 600 boxable classes, since all 20,000 make far more sets; pictures
    without such a label can neither be asked for nor answer, and are items of no split; several narratives of a
    picture are joined, in the order of the file. Counts are then those of the files given, not the paper's.
    """

    Config = OpenImagesConfig

    def read(self, source: Source) -> SourceTables:
        """Return items by labels and narratives.

        Raises:
            DataError: the file of labels or that of narratives is missing or malformed.
            StorageError: one cannot be read.
        """
        wanted = (self.config.labels_file,) if self.config.labels_file else LABELS
        labels, bad_labels = _labels(source, _path(source, *wanted), _display_names(source))
        narratives, bad_narratives = _narratives(source, _path(source, NARRATIVES))
        pictures = _pictures(source)
        ids = sorted({*labels, *narratives})
        sets = {image_id: SEPARATOR.join(sorted(labels[image_id])) for image_id in ids if labels.get(image_id)}
        present = {image_id: label for image_id, label in sets.items() if image_id in pictures}
        split_of = database_and_queries(present, self.config.shots, self.config.seed)
        items = [
            {
                "item_id": image_id,
                "path": pictures.get(image_id, f"{PICTURES}/{image_id}.jpg"),
                "label": sets.get(image_id, image_id),
                "caption": " ".join(narratives.get(image_id, ())),
                "attributes": sorted(labels.get(image_id, ())),
                "splits": [split_of[image_id]] if image_id in split_of else [],
            }
            for image_id in ids
        ]
        return SourceTables(items_table([*items, *map(unreadable, (*bad_labels, *bad_narratives))]), {})


def _path(source: Source, *names: str) -> str:
    """Return the path of the first of the files that there is, wherever it lies; the first name if there is none."""
    by_name = {file.path.rpartition("/")[2]: file.path for file in source.files}
    return next((by_name[name] for name in names if name in by_name), names[0])


def _pictures(source: Source) -> dict[str, str]:
    found = {}
    for file in source.files:
        *folders, name = file.path.split("/")
        stem, _, ending = name.rpartition(".")
        if ending.lower() in ("jpg", "jpeg", "png") and (not folders or folders[-1] in (PICTURES, "images", "data")):
            found[stem] = file.path
    return found


def _labels(source: Source, path: str, names: dict[str, str]) -> tuple[dict[str, set[str]], list[str]]:
    """Return the names of the labels of each picture that has a row, and the places of rows that are unreadable."""
    found: dict[str, set[str]] = {}
    bad = []
    for place, row in csv_rows(source, path, ("ImageID", "LabelName", "Confidence")):
        confidence = _number(row["Confidence"]) if row else None
        if row is None or confidence is None or not row["ImageID"] or not row["LabelName"]:
            bad.append(place)
            continue
        labels = found.setdefault(row["ImageID"], set())
        if confidence == 1:
            labels.add(names.get(row["LabelName"], row["LabelName"]).replace(SEPARATOR, " "))
    return found, bad


def _display_names(source: Source) -> dict[str, str]:
    """Return the name of each label, such as "Tree" of "/m/07j7r"; none where there is no such file."""
    path = _path(source, *NAMES)
    if path not in source:
        return {}
    reader = csv.reader(io.StringIO(text_of(source, path), newline=""), strict=True)
    try:
        return {row[0].strip(): row[1].strip() for row in reader if len(row) >= 2}
    except csv.Error as error:
        raise DataError(f"{source}/{path}, line {reader.line_num}, is not CSV: {error}.") from None


def _narratives(source: Source, path: str) -> tuple[dict[str, list[str]], list[str]]:
    """Return the narratives of each picture, and the places of lines that are unreadable."""
    found: dict[str, list[str]] = {}
    bad = []
    for place, values in _json_lines(source, path):
        image_id, caption = values.get("image_id"), values.get("caption")
        if isinstance(image_id, str) and image_id and isinstance(caption, str):
            found.setdefault(image_id, []).append(" ".join(caption.split()))
        else:
            bad.append(place)
    return found, bad


def _json_lines(source: Source, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(text_of(source, path).split("\n"), start=1):
        if line.strip():
            try:
                values = json.loads(line)
            except (ValueError, RecursionError):
                values = None
            yield f"{path}:{number}", values if isinstance(values, dict) else {}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
