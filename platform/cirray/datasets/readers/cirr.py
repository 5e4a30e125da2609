"""CIRR: everyday pictures from NLVR2, and texts written for sets of six alike (Liu et al., ICCV 2021).

captions/cap.rc2.<split>.json          [{"pairid", "reference", "target_hard", "caption", "img_set", …}, …]
image_splits/split.rc2.<split>.json    {name: "./dev/<name>.png"}
dev/…, test1/…, train/<0 to 99>/…      pictures, also under img_raw/ or images/

The annotations may also lie in a folder cirr/ beside the pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from cirray.config import Choice
from cirray.datasets.readers.annotations import (
    ItemRows,
    MalformedRowError,
    Record,
    Row,
    as_name,
    mapping_of,
    records,
    unreadable_item,
    unreadable_triplet,
)
from cirray.datasets.readers.files import picture_path
from cirray.datasets.schema import items_table, triplets_table
from cirray.datasets.source import Reader, Source, SourceTables, readers

READER: Literal["cirr"] = "cirr"
Split = Literal["train", "val", "test1"]
HIDDEN = "test1"
"""The split whose targets only the benchmark's server knows."""

_ANNOTATION_FOLDERS = ("", "cirr/")
_PICTURE_FOLDERS = ("", "img_raw/", "images/")


class CirrConfig(Choice):
    """Settings of `Cirr`.

    Attributes:
        splits: those to read.
        soft_targets: whether other pictures that the annotators scored above 0 are `other_target_ids`.
    """

    name: Literal["cirr"] = READER
    splits: tuple[Split, ...] = Field(("train", "val", "test1"), min_length=1)
    soft_targets: bool = False


@readers.register(READER)
class Cirr(Reader):
    """Reads CIRR's official files, version rc2.

    - An item is a picture under its official name, "dev-244-0-img0".
    - The query id of a triplet is its `pairid`, which the server's submission files ask for.
    - Its target is `target_hard`. The scores of `target_soft` run from −1 to 1 and published figures ignore them: so
      does this reader, unless `soft_targets` says otherwise.
    - `subset_ids` are the five other members of the set of six.
    - Targets of test1 are not public: they are empty, so that the pairs can be answered but not scored.
    - The auxiliary texts of captions_ext/ are not read.
    """

    Config = CirrConfig

    def read(self, source: Source) -> SourceTables:
        """Return the tables of `source`.

        Raises:
            DataError: a file is missing or not in this layout.
            StorageError: a file cannot be read.
        """
        items = ItemRows()
        triplets = {}
        for split in self.config.splits:
            _add_items(items, source, split)
            triplets[split] = triplets_table(self._triplets(source, split))
        return SourceTables(items_table(items.rows), triplets)

    def _triplets(self, source: Source, split: str) -> Iterator[Row]:
        keys = ("pairid", "reference", "caption", "img_set", *(() if split == HIDDEN else ("target_hard",)))
        for record in records(source, _annotation(source, f"captions/cap.rc2.{split}.json"), keys):
            pair = record.values.get("pairid")
            query_id = str(pair) if isinstance(pair, int) else record.place
            try:
                yield {"query_id": query_id, **self._triplet(record, split)}
            except MalformedRowError as error:
                yield unreadable_triplet(query_id, error)

    def _triplet(self, record: Record, split: str) -> Row:
        if not isinstance(record.values.get("pairid"), int):
            raise MalformedRowError(f"{record.place}: pairid is no number")
        reference, text = record.name("reference"), record.text("caption")
        hidden = split == HIDDEN and "target_hard" not in record.values
        target = "" if hidden else record.name("target_hard")
        return {
            "reference_id": reference,
            "texts": [text] if text.strip() else [],
            "target_id": target,
            "other_target_ids": _scored(record, target) if self.config.soft_targets and not hidden else [],
            "subset_ids": _others(record, reference),
        }


def _add_items(items: ItemRows, source: Source, split: str) -> None:
    file = _annotation(source, f"image_splits/split.rc2.{split}.json")
    for name, path in mapping_of(source, file).items():
        try:
            row = {
                "item_id": as_name(name, f"{file}: a name"),
                "path": _picture(source, as_name(path, f"{file}: {name!a}")),
            }
        except MalformedRowError as error:
            row = unreadable_item(error)
        items.add(row, (split,))


def _annotation(source: Source, path: str) -> str:
    return next((folder + path for folder in _ANNOTATION_FOLDERS if folder + path in source), path)


def _picture(source: Source, path: str) -> str:
    path = path.removeprefix("./")
    stem = path.rpartition(".")[0] or path
    found = (picture_path(source, folder + stem) for folder in _PICTURE_FOLDERS)
    return next((candidate for candidate in found if candidate in source), path)


def _others(record: Record, reference: str) -> list[str]:
    image_set = record.values.get("img_set")
    members = Record(f"{record.place}: img_set", image_set if isinstance(image_set, dict) else {}).texts("members")
    return [member for member in members if member != reference]


def _scored(record: Record, target: str) -> list[str]:
    scores: Any = record.values.get("target_soft", {})
    if not isinstance(scores, dict):
        raise MalformedRowError(f"{record.place}: target_soft is no object")
    right = [name for name, score in scores.items() if isinstance(score, int | float) and score > 0]
    return [as_name(name, f"{record.place}: target_soft") for name in right if name != target]
