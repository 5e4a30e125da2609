"""Shoes: women's shoes and how they differ (Guo et al., NeurIPS 2018, on pictures of Berg et al., ECCV 2010).

relative_captions_shoes.json    [{"ImageName": target, "ReferenceImageName": reference, "RelativeCaption": text}, …]
captions_shoes.json             [{"ImageName": name, "Caption": text}, …]; need not be there
train_im_names.txt              a name a line
eval_im_names.txt               likewise
…/<name>                        pictures, in any folders
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from cirray.config import Choice
from cirray.datasets.readers.annotations import (
    ItemRows,
    MalformedRowError,
    Record,
    Row,
    lines_of,
    records,
    unreadable_triplet,
)
from cirray.datasets.readers.files import PICTURE_ENDINGS
from cirray.datasets.schema import items_table, triplets_table
from cirray.datasets.source import Reader, Source, SourceTables, readers
from cirray.errors import DataError

READER: Literal["shoes"] = "shoes"
SPLITS = {"train": "train_im_names.txt", "test": "eval_im_names.txt"}
PAIRS = "relative_captions_shoes.json"
CAPTIONS = "captions_shoes.json"

_NAME = re.compile(r"img_womens_(?P<kind>[a-z_]+?)_\d+\.\w+")


class ShoesConfig(Choice):
    """Settings of `Shoes`: none but its name."""

    name: Literal["shoes"] = READER


@readers.register(READER)
class Shoes(Reader):
    """Reads Shoes' official files.

    - An item is a picture under its official name, "img_womens_clogs_851.jpg". Its file is the one of that name in
      whatever folder, so that both the official folders (womens_clogs/0/…) and one flat folder are read.
    - A triplet belongs to the split that lists both of its pictures. Its query id counts the pairs of the file from
      0. A few pairs have the same picture at both ends; they are among the published counts and stay.
    - What kind of shoe it is ("high heels") is an attribute and no category, since there is one gallery.
    """

    Config = ShoesConfig

    def read(self, source: Source) -> SourceTables:
        """Return the tables of `source`.

        Raises:
            DataError: a file is missing or not in this layout.
            StorageError: a file cannot be read.
        """
        paths = _pictures(source)
        captions = _captions(source)
        items = ItemRows()
        listed: dict[str, list[str]] = {}
        for split, file in SPLITS.items():
            listed[split] = [line.strip() for _, line in lines_of(source, file)]
            if not listed[split]:
                raise DataError(f"{source}/{file} lists no pictures.", hint="Take the official file.")
            for name in listed[split]:
                items.add(_item(name, paths, captions), (split,))
        members = {split: frozenset(found) for split, found in listed.items()}
        return SourceTables(items_table(items.rows), _triplets(source, members))


def _pictures(source: Source) -> dict[str, str]:
    """Path of each picture by its name without ending; the first in the order of paths where there are several."""
    found: dict[str, str] = {}
    for file in source.files:
        stem, dot, ending = file.path.rpartition("/")[2].rpartition(".")
        if dot + ending.lower() in PICTURE_ENDINGS:
            found.setdefault(stem, file.path)
    return found


def _captions(source: Source) -> dict[str, str]:
    if CAPTIONS not in source:
        return {}
    found = records(source, CAPTIONS, ("ImageName", "Caption"))
    try:
        return {record.name("ImageName"): record.text("Caption") for record in found}
    except MalformedRowError as error:
        # A caption has no row of its own that could be rejected.
        raise DataError(f"{source}: {error}.", hint="Mend the row, or leave the file away.") from None


def _item(name: str, paths: dict[str, str], captions: dict[str, str]) -> Row:
    kind = _NAME.fullmatch(name)
    return {
        "item_id": name,
        "path": paths.get(name.rpartition(".")[0] or name, f"images/{name}"),
        "caption": captions.get(name, ""),
        "attributes": [kind["kind"].replace("_", " ")] if kind else [],
    }


def _triplets(source: Source, members: dict[str, frozenset[str]]) -> dict[str, object]:
    rows: dict[str, list[Row]] = {split: [] for split in members}
    for number, record in enumerate(records(source, PAIRS, ("ImageName", "ReferenceImageName", "RelativeCaption"))):
        query_id = f"shoes-{number:05d}"
        try:
            row, split = _triplet(record, members)
            rows[split].append({"query_id": query_id, **row})
        except MalformedRowError as error:
            rows["train"].append(unreadable_triplet(query_id, error))
    return {split: triplets_table(found) for split, found in rows.items()}


def _triplet(record: Record, members: dict[str, frozenset[str]]) -> tuple[Row, str]:
    reference, target = record.name("ReferenceImageName"), record.name("ImageName")
    text = record.text("RelativeCaption")
    row = {"reference_id": reference, "texts": [text] if text.strip() else [], "target_id": target}
    return row, _split_of((reference, target), members, record.place)


def _split_of(ends: Iterable[str], members: dict[str, frozenset[str]], place: str) -> str:
    splits = {end: {split for split, found in members.items() if end in found} for end in ends}
    common = set.intersection(*splits.values())
    if common:
        return "train" if "train" in common else "test"
    if all(splits.values()):
        raise MalformedRowError(f"{place}: its pictures are of different splits")
    # Preparation says which of them is unknown.
    return next((split for found in splits.values() for split in found), "train")
