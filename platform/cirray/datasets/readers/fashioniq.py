"""FashionIQ: dresses, shirts and tops, and two captions for each pair of them (Wu et al., CVPR 2021).

captions/cap.<category>.<split>.json          [{"candidate": ASIN, "target": ASIN, "captions": [text, text]}, …]
image_splits/split.<category>.<split>.json    [ASIN, …]
tags/asin2attr.<category>.<split>.json        {ASIN: [six lists of words]}; need not be there
images/<ASIN>.jpg                             or another usual ending
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
    as_text,
    mapping_of,
    names,
    records,
    unreadable_item,
    unreadable_triplet,
)
from cirray.datasets.readers.files import picture_path
from cirray.datasets.schema import items_table, triplets_table
from cirray.datasets.source import Reader, Source, SourceTables, readers
from cirray.errors import DataError

READER: Literal["fashioniq"] = "fashioniq"
Category = Literal["dress", "shirt", "toptee"]
Split = Literal["train", "val", "test"]
HIDDEN = "test"
"""The split whose targets were never published."""

_TAG_FOLDERS = ("tags/", "image_tag_dataset/tags/", "")


class FashionIqConfig(Choice):
    """Settings of `FashionIq`.

    Attributes:
        categories: those to read.
        splits: those to read.
    """

    name: Literal["fashioniq"] = READER
    categories: tuple[Category, ...] = Field(("dress", "shirt", "toptee"), min_length=1)
    splits: tuple[Split, ...] = Field(("train", "val", "test"), min_length=1)


@readers.register(READER)
class FashionIq(Reader):
    """Reads FashionIQ's official files.

    - An item is a product in a category, "<category>/<ASIN>": shirt and toptee share products, across splits too,
      and so each category keeps exactly its own galleries. Both items show the same file; their label is the ASIN.
    - The gallery of a split has all pictures that the official split lists; "val-union" has the references and
      targets of the validation pairs alone, as VAL (Chen et al., CVPR 2020) measures. Take the items of one category.
    - A triplet keeps its captions apart; empty ones are left out. Its query id counts the pairs of the official file
      from 0: "dress-val-00000".
    - Targets of the test split are not public: they are empty, so that the pairs can be answered but not scored.
    - The attributes of an item are its tags in the order of their six groups (kind of garment, texture, fabric,
      shape, part, style), each word once.
    """

    Config = FashionIqConfig

    def read(self, source: Source) -> SourceTables:
        """Return the tables of `source`.

        Raises:
            DataError: a file is missing or not in this layout.
            StorageError: a file cannot be read.
        """
        items = ItemRows()
        triplets: dict[str, list[Row]] = {split: [] for split in self.config.splits}
        for category in self.config.categories:
            for split in self.config.splits:
                pairs = list(_pairs(source, category, split))
                triplets[split] += pairs
                ends = {pair[end] for pair in pairs for end in ("reference_id", "target_id")}
                _add_items(items, source, category, split, ends if split == "val" else set())
        return SourceTables(
            items_table(items.rows), {split: triplets_table(rows) for split, rows in triplets.items()}
        )


def _add_items(items: ItemRows, source: Source, category: str, split: str, union: set[str]) -> None:
    tags = _tags(source, category, split)
    for place, entry in names(source, f"image_splits/split.{category}.{split}.json"):
        try:
            asin = as_name(entry, place)
        except MalformedRowError as error:
            items.add(unreadable_item(error), (split,))
            continue
        item_id = f"{category}/{asin}"
        row = {
            "item_id": item_id,
            "label": asin,
            "path": picture_path(source, f"images/{asin}"),
            "category": category,
            "attributes": tags.get(asin, []),
        }
        items.add(row, (split, f"{split}-union") if item_id in union else (split,))


def _pairs(source: Source, category: str, split: str) -> Iterator[Row]:
    path = f"captions/cap.{category}.{split}.json"
    keys = ("candidate", "captions") if split == HIDDEN else ("candidate", "target", "captions")
    for number, record in enumerate(records(source, path, keys)):
        query_id = f"{category}-{split}-{number:05d}"
        try:
            yield {"query_id": query_id, "category": category, **_pair(record, category, split)}
        except MalformedRowError as error:
            yield {**unreadable_triplet(query_id, error), "target_id": "", "category": category}


def _pair(record: Record, category: str, split: str) -> Row:
    hidden = split == HIDDEN and "target" not in record.values
    return {
        "reference_id": f"{category}/{record.name('candidate')}",
        "target_id": "" if hidden else f"{category}/{record.name('target')}",
        "texts": record.texts("captions"),
    }


def _tags(source: Source, category: str, split: str) -> dict[str, list[str]]:
    name = f"asin2attr.{category}.{split}.json"
    path = next((folder + name for folder in _TAG_FOLDERS if folder + name in source), None)
    if path is None:
        return {}
    return {asin: _words(groups, f"{source}/{path}, {asin!r},") for asin, groups in mapping_of(source, path).items()}


def _words(groups: Any, place: str) -> list[str]:
    if not isinstance(groups, list) or not all(isinstance(group, list) for group in groups):
        raise DataError(f"{place} is no list of lists of words.", hint="Take the official file, or leave it away.")
    return list(dict.fromkeys(as_text(word, f"{place} a tag") for group in groups for word in group))
