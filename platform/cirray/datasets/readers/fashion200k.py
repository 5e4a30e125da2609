"""Fashion200k: women's clothes from shops with short captions (Han et al., ICCV 2017), with TIRG's test queries.

labels/<category>_<split>_detect_all.txt    picture, tab, detection score, tab, caption
test_queries.txt                            picture of the reference, blank, picture of the target
women/<category>/…/<product>/<file>.jpeg    the cropped detections
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from cirray.config import Choice
from cirray.datasets.caption_pairs import replacement_text
from cirray.datasets.readers.annotations import (
    ItemRows,
    MalformedRowError,
    Row,
    as_name,
    lines_of,
    unreadable_item,
    unreadable_triplet,
)
from cirray.datasets.readers.files import picture_path
from cirray.datasets.schema import items_table, triplets_table
from cirray.datasets.source import Reader, Source, SourceTables, readers
from cirray.errors import DataError

READER: Literal["fashion200k"] = "fashion200k"
Category = Literal["dress", "jacket", "pants", "skirt", "top"]
Split = Literal["train", "test"]
QUERIES = "test_queries.txt"

_MARKS = str.maketrans({".": "dotmark", "?": "questionmark", "&": "andmark", "*": "starmark"})
_COLUMNS = 3


class Fashion200kConfig(Choice):
    """Settings of `Fashion200k`.

    Attributes:
        categories: those to read.
        splits: those to read.
    """

    name: Literal["fashion200k"] = READER
    categories: tuple[Category, ...] = Field(("dress", "jacket", "pants", "skirt", "top"), min_length=1)
    splits: tuple[Split, ...] = Field(("train", "test"), min_length=1)


@readers.register(READER)
class Fashion200k(Reader):
    """Reads Fashion200k's label files and TIRG's test queries.

    - An item is a picture under its path in the label file. Pictures of the same caption share a label: the benchmark
      counts each as found. The detection score is not used.
    - Captions are written as TIRG writes them: marks such as "." become words.
    - The test triplets are those of test_queries.txt; their texts are `replacement_text` of the two captions.
    - The training split has items only: its queries are pairs of captions one word apart (`one_word_pairs`), which
      the sampler "caption-pairs" draws anew in each epoch.
    """

    Config = Fashion200kConfig

    def read(self, source: Source) -> SourceTables:
        """Return the tables of `source`.

        Raises:
            DataError: a file is missing or not in this layout.
            StorageError: a file cannot be read.
        """
        items = ItemRows()
        for split in self.config.splits:
            for category in self.config.categories:
                for row in _labelled(source, category, split):
                    items.add(row, (split,))
        if "test" not in self.config.splits:
            return SourceTables(items_table(items.rows), {})
        tested = {row["item_id"]: row for row in items.rows if "test" in row["splits"]}
        return SourceTables(items_table(items.rows), {"test": triplets_table(_queries(source, tested))})


def caption_of(text: str) -> str:
    """Return a caption as TIRG writes it: without blanks at its ends, and with words for some marks."""
    return text.strip().translate(_MARKS)


def _labelled(source: Source, category: str, split: str) -> Iterator[Row]:
    file = f"labels/{category}_{split}_detect_all.txt"
    lines = lines_of(source, file)
    if not any(line.count("\t") == _COLUMNS - 1 for _, line in lines):
        raise DataError(
            f"{source}/{file} is not in the official layout: none of its {len(lines):,} lines has a picture, a score "
            "and a caption with tabs between them."
        )
    for place, line in lines:
        try:
            yield _item(source, category, place, line)
        except MalformedRowError as error:
            yield unreadable_item(error)


def _item(source: Source, category: str, place: str, line: str) -> Row:
    cells = line.split("\t")
    if len(cells) != _COLUMNS:
        raise MalformedRowError(f"{place} has {len(cells)} cells instead of {_COLUMNS}")
    path, caption = as_name(cells[0].strip(), f"{place}: the picture"), caption_of(cells[2])
    found = path if path in source else picture_path(source, path.rpartition(".")[0] or path)
    row = {"item_id": path, "path": found if found in source else path, "caption": caption, "category": category}
    # Pictures without a caption are not all the same answer.
    return {**row, "label": caption} if caption else row


def _queries(source: Source, items: dict[str, Row]) -> Iterator[Row]:
    for number, (place, line) in enumerate(lines_of(source, QUERIES)):
        query_id = f"test-{number:05d}"
        ends = line.split("\t") if "\t" in line else line.split()
        if len(ends) != 2:
            error = MalformedRowError(f"{place} has {len(ends)} paths instead of 2")
            yield unreadable_triplet(query_id, error)
            continue
        reference, target = ends
        known = reference in items and target in items
        # Preparation rejects what is not known, by its id.
        text = replacement_text(items[reference]["caption"], items[target]["caption"]) if known else "unknown"
        yield {
            "query_id": query_id,
            "reference_id": reference,
            "texts": [text] if text else [],
            "target_id": target,
            "category": items[target]["category"] if known else "",
        }
