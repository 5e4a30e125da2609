"""The released CSS data of TIRG (Vo et al., CVPR 2019, arXiv:1812.07119): a pickled .npy with scenes and changes.

css_toy_dataset_novel2_small.dup.npy    {"train": {...}, "test": {...}}, each with
    objects_img    by image, its objects: {"size", "color", "shape", "pos": [row, column] in 0..1}
    mods           by change, {"to_str": text, "from": ids of references, "to": ids of targets, …}
    labels         by image, a number that equal scenes share; optional
images/css_train_000000.png …           rendered in 3D, 180 x 120
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Literal

import pyarrow as pa

from cirray.config import Choice
from cirray.datasets.css.files import image_path, item_id
from cirray.datasets.css.scene import COLORS, SHAPES, SIZES, SceneObject, Shape
from cirray.datasets.css.split import SPLITS, Split
from cirray.datasets.pickled_values import ArrayValue
from cirray.datasets.restricted_pickle import MAX_BYTES, load_object_npy
from cirray.datasets.schema import items_table, triplets_table
from cirray.datasets.source import Reader, Source, SourceTables, readers
from cirray.errors import DataError

READER: Literal["css-original"] = "css-original"
FILE = "css_toy_dataset_novel2_small.dup.npy"

MAX_ENTRIES = 200_000
"""Scenes, changes and labels of a split; the released file has a tenth of that. A list that refers to another one a
million times is a file of megabytes, and would be more rows than any memory holds."""

MAX_PARTS = 100
"""Objects of one scene, and references or targets of one change."""

MAX_TEXT = 1000
"""Characters of a text or a label."""

FAR = 1e6
"""No object stands so far out of its picture; a whole number may be too large to be turned into another."""

TWO_D: dict[str, Shape] = {"cube": "rectangle", "sphere": "circle", "cylinder": "triangle"}
"""CLEVR's names of the solids, and the 2D names that the texts of CSS have for them."""


class CssOriginalConfig(Choice):
    """Settings of `CssOriginal`: none but its name."""

    name: Literal["css-original"] = READER


@readers.register(READER)
class CssOriginal(Reader):
    """Reads the released CSS files.

    One triplet for each (from, to) of a change: 6,004 changes of 3 references are 18,012 training triplets on 19,012
    pictures, 6,019 are 18,057 test triplets on 19,057 pictures. Labels are the file's, so that a duplicate of the
    target is as right as the target; without labels each picture has its own, as in the released loader. Captions
    are ours, in the 2D names that the texts have, also where a scene has CLEVR's (cube, sphere, cylinder).

    The published test ranks all test pictures, without the reference. The 39 targets without any object stay,
    though a third party's loader leaves them out: "remove" may well leave nothing, and the counts above include them.
    """

    Config = CssOriginalConfig

    def read(self, source: Source) -> SourceTables:
        """Return the tables of `source`.

        Raises:
            DataError: the file is missing, would run something, or is not built as above; the message says where.
            StorageError: it cannot be read.
        """
        path = next((file.path for file in source.files if file.path.rpartition("/")[2] == FILE), None)
        if path is None:
            raise DataError(f"{source} has no {FILE}.", hint="Give the folder of the unpacked CSS data.")
        if source.sizes[path] > MAX_BYTES:
            raise DataError(f"{source}/{path} has {source.sizes[path]:,} bytes, where {MAX_BYTES:,} are allowed.")
        data = load_object_npy(source.read(path), f"{source}/{path}")
        where = f"{source}/{path}"
        folder = path[: -len(FILE)]
        items: list[dict[str, Any]] = []
        triplets: dict[str, pa.Table] = {}
        for split in SPLITS:
            part = _get(data, split, dict, where)
            place = f"{where}, {split}"
            items += _items(part, split, folder, place)
            triplets[split] = triplets_table(_triplets(_get(part, "mods", list, place), split, place))
        return SourceTables(items_table(items), triplets)


def _items(part: dict[str, Any], split: Split, folder: str, place: str) -> Iterator[dict[str, Any]]:
    scenes = _get(part, "objects_img", list, place)
    labels = _get(part, "labels", list, place) if part.get("labels") is not None else range(len(scenes))
    if len(labels) != len(scenes):
        raise DataError(f"{place}, has {len(scenes):,} scenes in objects_img, but {len(labels):,} labels.")
    for index, (scene, label) in enumerate(zip(scenes, labels, strict=True)):
        if not _is_short(label):
            raise DataError(f"{place}, labels[{index}] is a {type(label).__name__}, where a number was expected.")
        yield {
            "item_id": item_id(split, index),
            "path": folder + image_path(split, index),
            # The numbers start anew in each split.
            "label": f"{split}-{label}",
            "caption": _caption(scene, f"{place}, objects_img[{index}]"),
            "splits": [split],
        }


def _triplets(mods: list[Any], split: Split, place: str) -> Iterator[dict[str, Any]]:
    for number, mod in enumerate(mods):
        record = mod if isinstance(mod, dict) else {}
        text = record.get("to_str")
        references, targets = _ids(record.get("from")), _ids(record.get("to"))
        lists = isinstance(references, list) and isinstance(targets, list)
        if not isinstance(mod, dict) or not lists or max(len(references), len(targets)) > MAX_PARTS:
            raise DataError(
                f"{place}, mods[{number}] is not a change with lists of at most {MAX_PARTS} ids 'from' and 'to'.",
                hint="Check that the file is complete.",
            )
        # What has no partner, no text or no such picture becomes a reject of its own.
        for turn, (reference, target) in enumerate(zip_longest(references, targets)):
            yield {
                "query_id": f"css_{split}_m{number:05d}_{turn}",
                "reference_id": _item(split, reference),
                "texts": [text] if isinstance(text, str) and _is_short(text) else [],
                "target_id": _item(split, target),
            }


def _item(split: Split, index: Any) -> str:
    if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < MAX_ENTRIES:
        return item_id(split, index)
    # Of anything but a number or a text only the kind: written out, a list may be of any length.
    shown = str(index)[:40] if isinstance(index, float) or _is_short(index) else type(index).__name__
    return f"css_{split}_{shown}"


def _is_short(value: Any) -> bool:
    """Return whether a value is a text or a whole number that is not too long."""
    return (isinstance(value, str) and len(value) <= MAX_TEXT) or (isinstance(value, int) and abs(value) < 2**63)


def _ids(value: Any) -> Any:
    return value.values if isinstance(value, ArrayValue) else value


def _caption(scene: Any, place: str) -> str:
    scene = _ids(scene)
    if not isinstance(scene, list | tuple):
        raise DataError(f"{place} is a {type(scene).__name__}, where a list of objects was expected.")
    if len(scene) > MAX_PARTS:
        raise DataError(f"{place} has {len(scene):,} objects; at most {MAX_PARTS} are allowed.")
    words = [_words(shown, f"{place}[{number}]") for number, shown in enumerate(scene)]
    return ", ".join(text for _, text in sorted(words)) or "no objects"


def _words(shown: Any, place: str) -> tuple[int, str]:
    """Return the cell of an object, for sorting, and the object in words."""
    record = shown if isinstance(shown, dict) else {}
    named = record.get("shape")
    shape = TWO_D.get(named, named) if isinstance(named, str) else None
    color, size, position = record.get("color"), record.get("size"), _ids(record.get("pos"))
    placed = isinstance(position, list | tuple) and len(position) == 2
    if (
        shape not in SHAPES
        or color not in COLORS
        or size not in SIZES
        or not placed
        or not all(isinstance(part, int | float) and abs(part) < FAR for part in position)
    ):
        raise DataError(
            f"{place} is not an object with a size ({', '.join(SIZES)}), color ({', '.join(COLORS)}), shape "
            f"({', '.join((*SHAPES, *TWO_D))}) and pos [row, column]."
        )
    # A centre just outside of the picture is in the cell next to it.
    row, column = (min(max(float(part), 0.0), 1.0) for part in position)
    found = SceneObject(shape, color, size, (row, column))
    return found.cell_index, f"a {size} {color} {shape} at {found.cell}"


def _get(values: Any, key: str, kind: type[list[Any]] | type[dict[str, Any]], place: str) -> Any:
    """Return a part of the file; an array counts as the list of its values."""
    value = _ids(values.get(key)) if isinstance(values, dict) else None
    if not isinstance(value, kind):
        raise DataError(
            f"{place}, has no {key!r} that is a {kind.__name__}.", hint="Check that it is the released CSS file."
        )
    if len(value) > MAX_ENTRIES:
        raise DataError(f"{place}, {key}, has {len(value):,} entries; at most {MAX_ENTRIES:,} are allowed.")
    return value
