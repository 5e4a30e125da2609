"""Birds-to-Words: how two photographed birds differ, in paragraphs (Forbes et al., EMNLP 2019).

birds-to-words-v1.0.tsv    eleven columns with tabs between them, with or without a header
images/<photo>.jpg         iNaturalist's photograph of that number, or another usual ending
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from cirray.config import Choice
from cirray.datasets.readers.annotations import (
    MalformedRowError,
    Row,
    lines_of,
    unreadable_triplet,
)
from cirray.datasets.readers.files import picture_path
from cirray.datasets.schema import items_table, triplets_table
from cirray.datasets.source import Reader, Source, SourceTables, readers
from cirray.errors import DataError

READER: Literal["birds-to-words"] = "birds-to-words"
COLUMNS = (
    *("img1ObservationURL", "img1ImgURL", "img1Species", "img1Selection"),
    *("img2ObservationURL", "img2ImgURL", "img2Species", "img2Selection"),
    *("split", "annN", "description"),
)
SPLITS = ("train", "val", "test")

_PHOTO = re.compile(r"/photos/(\d+)(?:[/?.]|$)")
_ANIMAL = re.compile(r"\b(animals?\s*)([12])\b", re.IGNORECASE)


class BirdsToWordsConfig(Choice):
    """Settings of `BirdsToWords`.

    Attributes:
        file: name of the table.
        swapped: whether each training pair is also asked the other way round, as in MAAF.
    """

    name: Literal["birds-to-words"] = READER
    file: str = "birds-to-words-v1.0.tsv"
    swapped: bool = False


class Bird(NamedTuple):
    """One end of a pair."""

    photo: str
    species: str


class Pair(NamedTuple):
    """One row of the table."""

    first: Bird
    second: Bird
    split: str
    text: str


@readers.register(READER)
class BirdsToWords(Reader):
    """Reads Birds-to-Words' official table.

    - An item is a photograph, its id the number in the picture's address (…/photos/647514/medium.jpg gives "647514"),
      and its attribute the species.
    - Each paragraph is a triplet of its own, from the first bird to the second, as in MAAF (Dodds et al., 2020); five
      paragraphs joined would be a text of 150 words. Its query id counts the lines of the table from 1.
    - With `swapped`, training pairs are there the other way round too, with "animal 1" and "animal 2" exchanged.
    - The gallery of a split has all photographs of its pairs; a photograph may be in several.
    """

    Config = BirdsToWordsConfig

    def read(self, source: Source) -> SourceTables:
        """Return the tables of `source`.

        Raises:
            DataError: the table is missing or not in this layout.
            StorageError: it cannot be read.
        """
        items: dict[str, Row] = {}
        triplets: dict[str, list[Row]] = {split: [] for split in SPLITS}
        for query_id, row in _rows(source, self.config.file):
            if isinstance(row, MalformedRowError):
                triplets["train"].append(unreadable_triplet(query_id, row))
                continue
            for bird in (row.first, row.second):
                splits = items.setdefault(bird.photo, _item(source, bird))["splits"]
                splits += [row.split] if row.split not in splits else []
            triplets[row.split].append(_triplet(query_id, row.first, row.second, row.text))
            if self.config.swapped and row.split == "train":
                swapped = _triplet(f"{query_id}-swapped", row.second, row.first, exchanged(row.text))
                triplets["train"].append(swapped)
        return SourceTables(
            items_table(items.values()), {split: triplets_table(rows) for split, rows in triplets.items()}
        )


def exchanged(text: str) -> str:
    """Return a description with "animal 1" and "animal 2" exchanged, however they are spelt."""
    return _ANIMAL.sub(lambda found: found[1] + {"1": "2", "2": "1"}[found[2]], text)


def _rows(source: Source, file: str) -> Iterator[tuple[str, Pair | MalformedRowError]]:
    lines = [(place, line.split("\t")) for place, line in lines_of(source, file)]
    if not any(len(cells) == len(COLUMNS) and cells[8].strip() in SPLITS for _, cells in lines):
        raise DataError(
            f"{source}/{file} is not in the official layout: none of its {len(lines):,} lines has the "
            f"{len(COLUMNS)} columns {', '.join(COLUMNS)} with tabs between them."
        )
    for place, cells in lines:
        if [cell.strip() for cell in cells] == list(COLUMNS):
            continue
        query_id = f"line-{int(place.rpartition(':')[2]):05d}"
        try:
            yield query_id, _pair(cells, place)
        except MalformedRowError as error:
            yield query_id, error


def _pair(cells: list[str], place: str) -> Pair:
    if len(cells) != len(COLUMNS):
        raise MalformedRowError(f"{place} has {len(cells)} cells instead of {len(COLUMNS)}")
    values = [_unquoted(cell.strip()) for cell in cells]
    split = values[8]
    if split not in SPLITS:
        raise MalformedRowError(f"{place}: the split is {split!a}, none of {', '.join(SPLITS)}")
    first, second = (Bird(_photo(values[at], place), values[at + 1]) for at in (1, 5))
    return Pair(first, second, split, values[10])


def _photo(url: str, place: str) -> str:
    found = _PHOTO.search(url)
    if not found:
        raise MalformedRowError(f"{place}: no number of a photograph is in the address {url[:80]!a}")
    return found[1]


def _unquoted(cell: str) -> str:
    """Undo the quotes that spreadsheets put around cells."""
    return cell[1:-1].replace('""', '"') if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _item(source: Source, bird: Bird) -> Row:
    return {
        "item_id": bird.photo,
        "path": picture_path(source, f"images/{bird.photo}"),
        "attributes": [bird.species] if bird.species else [],
        "splits": [],
    }


def _triplet(query_id: str, reference: Bird, target: Bird, text: str) -> Row:
    return {
        "query_id": query_id,
        "reference_id": reference.photo,
        "texts": [text] if text.strip() else [],
        "target_id": target.photo,
    }
