"""Any catalogue: a table with an id, the path of a picture, and columns that describe it."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from cirray.datasets.catalog import CatalogConfig, ItemValues, Rows, Template, make_triplets, read_rows, read_triplets
from cirray.datasets.catalog.config import DEFAULT_TABLES
from cirray.datasets.schema import REJECTS, items_table
from cirray.datasets.source import Reader, Source, SourceTables, readers
from cirray.errors import DataError

TEST, TRAIN = "test", "train"


@readers.register("catalog")
class Catalog(Reader):
    """Reads a table of items, and makes triplets by rule or reads them from another table.

    The Fashion Products benchmark is one setting of it, in `docs/examples/fashion_products.yaml`; the manner of its
    queries is that of Fashion200k in TIRG (Vo et al., Composing Text and Image for Image Retrieval, CVPR 2019).
    """

    Config = CatalogConfig
    config: CatalogConfig

    def read(self, source: Source) -> SourceTables:
        """Return the tables of `source`; rules look only at items that have an id of their own and a file.

        Raises:
            DataError: a table is missing, cannot be read, or lacks a column.
            StorageError: a table cannot be read.
        """
        rows = read_rows(source, _table_path(source, self.config), self.config, "item", self.config.columns())
        items = items_table(_item_rows(rows, self.config, source))
        _check_rules(self.config, items, source)
        usable = _usable(items, source)
        triplets = {
            split: make_triplets(_values_of(usable, split, self.config.attributes), rule)
            for split, rule in self.config.triplets.items()
        }
        rejects = rows.rejects
        if self.config.triplets_table:
            split_of = {item["item_id"]: next(iter(item["splits"]), "") for item in usable}
            given, unusable = read_triplets(source, self.config.triplets_table, self.config, split_of)
            _check_disjoint(given, triplets)
            triplets |= given
            rejects = [*rejects, *unusable]
        return SourceTables(items, triplets, pa.Table.from_pylist(rejects, schema=REJECTS))


def hashed_split(item_id: str, test_modulo: int) -> str:
    """Return "test" for one item in `test_modulo`, by the SHA-1 of its id, else "train"."""
    number = int(hashlib.sha1(item_id.encode(), usedforsecurity=False).hexdigest(), 16)
    return TEST if number % test_modulo == 0 else TRAIN


def _table_path(source: Source, config: CatalogConfig) -> str:
    if config.table:
        return config.table
    found = [name for name in DEFAULT_TABLES if name in source]
    if len(found) != 1:
        raise DataError(
            f"{source} has {'both' if found else 'neither'} {' and '.join(DEFAULT_TABLES)}.",
            hint="Name the table with the reader's setting `table`.",
        )
    return found[0]


def _item_rows(rows: Rows, config: CatalogConfig, source: Source) -> list[dict[str, Any]]:
    columns, count = rows.columns, len(rows.numbers)
    ids = columns[config.id_column]
    described = {name: [text.lower() for text in cells] for name, cells in columns.items()}
    described = described if config.lower_case else columns
    captions = _filled(Template.parse(config.caption), described) if config.caption else [""] * count
    labels = _filled(config.label_template, described)
    # Ids keep their case even where they are the labels.
    labels = ids if config.label_template.columns == [config.id_column] else labels
    attributes = zip(*(described[name] for name in config.attributes), strict=True) if config.attributes else None
    splits = (
        columns[config.split_column] if config.split_column else [hashed_split(i, config.test_modulo) for i in ids]
    )
    categories = columns[config.category] if config.category else [""] * count
    paths = Template.parse(config.image).fill(columns)
    return [
        {
            "item_id": item_id,
            # As it stands where there is such a file: the key of an object may have what in a path says nothing.
            "path": path if not path or path in source else posixpath.normpath(path),
            "label": label,
            "caption": caption,
            "category": category,
            "attributes": list(values),
            "splits": [split] if split else [],
        }
        for item_id, path, label, caption, category, values, split in zip(
            ids, paths, labels, captions, categories, attributes or [()] * count, splits, strict=True
        )
    ]


def _filled(template: Template, columns: dict[str, list[str]]) -> list[str]:
    """Return the text of each row; what an empty cell leaves between its neighbours is one space."""
    return [" ".join(text.split()) for text in template.fill(columns)]


def _usable(items: pa.Table, source: Source) -> list[dict[str, Any]]:
    """Return the items that preparation will not reject before it opens their pictures."""
    seen: set[str] = set()
    usable = []
    for item in items.to_pylist():
        if item["item_id"] and item["item_id"] not in seen and source.sizes.get(item["path"]):
            usable.append(item)
        seen.add(item["item_id"])
    return usable


def _values_of(items: list[dict[str, Any]], split: str, attributes: Sequence[str]) -> ItemValues:
    own = [item for item in items if split in item["splits"]]
    values = {name: [item["attributes"][place] for item in own] for place, name in enumerate(attributes)}
    return ItemValues([item["item_id"] for item in own], [item["caption"] for item in own], values)


def _check_rules(config: CatalogConfig, items: pa.Table, source: Source) -> None:
    """Make sure that the splits that rules are for can have items: of any other, no triplets would come."""
    named = {split for splits in items["splits"].to_pylist() for split in splits}
    known = named if config.split_column else {TRAIN, TEST}
    if items.num_rows and (unknown := sorted(config.triplets.keys() - known)):
        raise DataError(
            f"`triplets` has rules for {', '.join(unknown)}, but {source} has the splits "
            f"{', '.join(sorted(known)[:20]) or 'none'}.",
            hint="Check `split_column`; without it, the splits are train and test.",
        )


def _check_disjoint(given: dict[str, pa.Table], made: dict[str, pa.Table]) -> None:
    both = sorted(given.keys() & made.keys())
    if both:
        raise DataError(
            f"The triplets of {', '.join(both)} are both in the triplets table and to be made by rule.",
            hint="Leave out one of the two.",
        )
