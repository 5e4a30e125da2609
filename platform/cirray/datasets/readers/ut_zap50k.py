"""UT-Zap50k: catalogue pictures of shoes, with attributes.

ut-zap50k-data/meta-data.csv                            CID, Category, SubCategory, HeelHeight, Insole, Closure, …
ut-zap50k-images-square/<Category>/<SubCategory>/<Brand>/<CID>.jpg    also ut-zap50k-images; "." for "-" in the CID
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from pydantic import Field

from cirray.config import Choice
from cirray.datasets.readers.drawing import draw, number
from cirray.datasets.readers.rows import csv_rows, unreadable
from cirray.datasets.schema import items_table, triplets_table
from cirray.datasets.source import Reader, Source, SourceTables, readers
from cirray.errors import DataError

READER: Literal["ut-zap50k"] = "ut-zap50k"
META_DATA = "meta-data.csv"
SQUARE = "ut-zap50k-images-square"
ATTRIBUTES = ("Category", "SubCategory", "HeelHeight", "Insole", "Closure", "Gender", "Material", "ToeStyle")
KIND = 2
"""The first two attributes say what a shoe is; texts change the others only."""

Values = tuple[str, ...]


class Shoe(NamedTuple):
    """One row; `values` has the words of each of `ATTRIBUTES`, or ""."""

    item_id: str
    path: str
    values: Values
    split: str

    @property
    def caption(self) -> str:
        """Its attributes in words, such as "shoes, oxfords, lace up, men, leather"."""
        return ", ".join(value for value in self.values if value)


class UtZap50kConfig(Choice):
    """Settings of `UtZap50k`.

    Attributes:
        test_share: of the pictures that go into the split "test".
        queries_per_reference: the most queries that a picture asks.
        seed: of the split and of the queries.
    """

    name: Literal["ut-zap50k"] = READER
    test_share: float = Field(0.2, gt=0, lt=1)
    queries_per_reference: int = Field(2, ge=1)
    seed: int = 0


@readers.register(READER)
class UtZap50k(Reader):
    """Reads UT-Zap50k, and makes triplets from pairs of shoes that differ in one attribute.

    JVSM (Chen & Bazzani, ECCV 2020) reports recall at 1, 10 and 50 on queries that it makes from the attributes; how,
    and with which split, no source that we have says. All of the following is therefore our own choice, and figures
    compare methods with each other only:

    - a picture belongs to "test" with probability `test_share`, decided by its CID and the seed, so that the split
      does not change when pictures are added;
    - a query goes from a shoe to one of the same category and subcategory that differs in exactly one of the other
      attributes, and has a value of it as the reference has; the text is "replace A with B", the form that the same
      authors use on Fashion200k. Two shoes that differ in more cannot be told from one such text;
    - each picture asks up to `queries_per_reference` queries, for different descriptions, so that those with many
      siblings do not outweigh the others;
    - shoes of the same description share a label: the text cannot tell them apart, so each is a right answer.
    """

    Config = UtZap50kConfig

    def read(self, source: Source) -> SourceTables:
        """Return items by meta-data, and triplets by rule.

        Raises:
            DataError: there is no meta-data, or it lacks a column.
            StorageError: it cannot be read.
        """
        shoes: list[Shoe] = []
        items: list[dict[str, Any]] = []
        seen = set()
        pictures = _pictures(source)
        path = next((f.path for f in source.files if f.path.rpartition("/")[2] == META_DATA), META_DATA)
        for place, row in csv_rows(source, path, ("CID", *ATTRIBUTES)):
            if row is None:
                items.append(unreadable(place))
                continue
            shoe = self._shoe(row, pictures)
            items.append(_item(shoe))
            # Of a repeated CID the first row counts, as it does in preparation.
            if shoe.item_id and shoe.item_id not in seen:
                shoes.append(shoe)
                seen.add(shoe.item_id)
        if not items:
            raise DataError(f"{source}/{path} has no rows.", hint="Check that it is complete.")
        present = [shoe for shoe in shoes if shoe.path in source]
        triplets = {split: triplets_table(self._triplets(present, split)) for split in ("train", "test")}
        return SourceTables(items_table(items), triplets)

    def _shoe(self, row: dict[str, str], pictures: dict[str, str]) -> Shoe:
        cid = row["CID"]
        stem = cid.replace("-", ".")
        values = tuple(_words(row[name]) for name in ATTRIBUTES)
        missing = f"{SQUARE}/{row['Category']}/{row['SubCategory']}/{stem}.jpg"
        in_test = number(self.config.seed, "split", cid) < self.config.test_share * 2**64
        return Shoe(cid, pictures.get(stem, missing), values, "test" if in_test else "train")

    def _triplets(self, shoes: list[Shoe], split: str) -> Iterator[dict[str, Any]]:
        members: dict[Values, list[str]] = {}
        for shoe in sorted(shoes):
            if shoe.split == split:
                members.setdefault(shoe.values, []).append(shoe.item_id)
        siblings = _siblings(members)
        for shoe in shoes:
            if shoe.split != split:
                continue
            wanted = draw(siblings.get(shoe.values, []), self.config.queries_per_reference, self.config.seed, shoe[0])
            for place, (column, values) in enumerate(wanted):
                (target,) = draw(members[values], 1, self.config.seed, shoe.item_id, "target", place)
                yield {
                    "query_id": f"{shoe.item_id}>{place}",
                    "reference_id": shoe.item_id,
                    "texts": [f"replace {shoe.values[column]} with {values[column]}"],
                    "target_id": target,
                    "category": shoe.values[0],
                }


def _siblings(members: dict[Values, list[str]]) -> dict[Values, list[tuple[int, Values]]]:
    """Return, by description, the (column, description) pairs that differ in that column alone, in sorted order."""
    groups: dict[tuple[int, Values], list[Values]] = {}
    for values in sorted(members):
        for column in range(KIND, len(ATTRIBUTES)):
            if values[column]:
                groups.setdefault((column, values[:column] + values[column + 1 :]), []).append(values)
    found: dict[Values, list[tuple[int, Values]]] = {}
    for (column, _), group in groups.items():
        for values in group:
            found.setdefault(values, []).extend((column, other) for other in group if other != values)
    return {values: sorted(others) for values, others in found.items()}


def _item(shoe: Shoe) -> dict[str, Any]:
    return {
        "item_id": shoe.item_id,
        "path": shoe.path,
        "label": shoe.caption or shoe.item_id,
        "caption": shoe.caption,
        "category": shoe.values[0],
        "attributes": [value for value in shoe.values if value],
        "splits": [shoe.split],
    }


def _pictures(source: Source) -> dict[str, str]:
    """Return the path of each picture by its name without ending; of two with the same name the square one."""
    found: dict[str, str] = {}
    for file in source.files:
        stem, dot, ending = file.path.rpartition("/")[2].rpartition(".")
        if dot and ending.lower() in ("jpg", "jpeg", "png") and (stem not in found or SQUARE in file.path):
            found[stem] = file.path
    return found


def _words(cell: str) -> str:
    """Return a cell as words: "Lace up;Zipper" becomes "lace up and zipper"."""
    return " and ".join(part.strip().lower() for part in cell.split(";") if part.strip())
