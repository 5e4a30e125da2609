from __future__ import annotations

from typing import Any

import pytest

from cirray.datasets import Source, SourceTables
from cirray.datasets.readers.birds_to_words import COLUMNS, BirdsToWords, BirdsToWordsConfig, exchanged
from cirray.datasets.source import readers
from cirray.errors import DataError

TABLE = "birds-to-words-v1.0.tsv"
TEXT = "Animal 1 is brown, animal 2 has a blue head."


def line(first: Any = 11, second: Any = 12, split: str = "train", annotation: int = 1, text: str = TEXT) -> str:
    sides = [
        (
            f"https://www.inaturalist.org/photos/{bird}",
            f"https://static.example/photos/{bird}/medium.jpg?1",
            f"Avis {bird}",
            "base",
        )
        for bird in (first, second)
    ]
    return "\t".join((*sides[0], *sides[1], split, str(annotation), text)) + "\n"


PICTURES = {f"images/{photo}.jpg": b"picture" for photo in (11, 12, 13)} | {"images/14.jpeg": b"picture"}
FILES: dict[str, Any] = {
    TABLE: line() + line(annotation=2, text="The second is blue.") + line(13, 12, "val") + line(13, 14, "test"),
    **PICTURES,
}


def read(source: Source, **settings: Any) -> SourceTables:
    return BirdsToWords(BirdsToWordsConfig(**settings)).read(source)


def triplets(tables: SourceTables, split: str) -> list[tuple[Any, ...]]:
    columns = ["query_id", "reference_id", "texts", "target_id"]
    return [tuple(row.values()) for row in tables.triplets[split].select(columns).to_pylist()]


def test_it_is_registered() -> None:
    assert readers["birds-to-words"] is BirdsToWords


@pytest.mark.parametrize("header", [False, True])
def test_each_paragraph_is_a_triplet_from_the_first_bird_to_the_second(
    write_source: Any, rejects: Any, header: bool
) -> None:
    top = "\t".join(COLUMNS) + "\r\n" if header else ""
    source = write_source({**FILES, TABLE: top + FILES[TABLE]})
    tables = read(source)
    first = 2 if header else 1
    assert triplets(tables, "train") == [
        (f"line-{first:05d}", "11", [TEXT], "12"),
        (f"line-{first + 1:05d}", "11", ["The second is blue."], "12"),
    ]
    assert triplets(tables, "val") == [(f"line-{first + 2:05d}", "13", [TEXT], "12")]
    assert rejects(tables, source) == []


def test_photographs_are_items_of_each_split_that_shows_them(write_source: Any) -> None:
    rows = read(write_source(FILES)).items.to_pylist()
    assert {row["item_id"]: (row["path"], row["splits"], row["attributes"]) for row in rows} == {
        "11": ("images/11.jpg", ["train"], ["Avis 11"]),
        "12": ("images/12.jpg", ["train", "val"], ["Avis 12"]),
        "13": ("images/13.jpg", ["val", "test"], ["Avis 13"]),
        "14": ("images/14.jpeg", ["test"], ["Avis 14"]),
    }


def test_swapped_training_pairs_are_added_when_asked_for(write_source: Any, rejects: Any) -> None:
    source = write_source(FILES)
    tables = read(source, swapped=True)
    assert [tables.triplets[split].num_rows for split in ("train", "val", "test")] == [4, 1, 1]
    assert triplets(tables, "train")[1] == (
        "line-00001-swapped",
        "12",
        ["Animal 2 is brown, animal 1 has a blue head."],
        "11",
    )
    assert rejects(tables, source) == []


def test_exchange_of_the_animals_leaves_other_numbers_alone() -> None:
    assert (
        exchanged("animal1 has 2 legs, ANIMAL 2's 1 beak; animal 12")
        == "animal2 has 2 legs, ANIMAL 1's 1 beak; animal 12"
    )
    assert exchanged(exchanged(TEXT)) == TEXT


def test_quoted_cells_are_unquoted_and_loose_quotes_swallow_nothing(write_source: Any) -> None:
    table = (
        line(text='"It has a ""crest"", 1" long."') + line(annotation=2, text='"Only opened.') + line(13, 12, "val")
    )
    tables = read(write_source({**FILES, TABLE: table}))
    assert [row[2] for row in triplets(tables, "train")] == [['It has a "crest", 1" long.'], ['"Only opened.']]
    assert tables.triplets["val"].num_rows == 1


def test_broken_rows_are_rejected_with_their_place(write_source: Any, rejects: Any) -> None:
    table = FILES[TABLE] + "short\tline\n" + line(split="dev") + line("abc") + line(text=" ") + line(99, 12)
    source = write_source({**FILES, TABLE: table})
    found = rejects(read(source), source)
    assert [(reject.id, reject.reason) for reject in found] == [
        ("99", "missing-file"),
        ("line-00005", "unknown-reference"),
        ("line-00006", "unknown-reference"),
        ("line-00007", "unknown-reference"),
        ("line-00008", "empty-text"),
    ]
    assert f"{TABLE}:5 has 2 cells" in found[1].detail
    assert f"{TABLE}:6: the split is 'dev'" in found[2].detail
    assert "no number of a photograph" in found[3].detail


@pytest.mark.parametrize("content", ["", "a\tb\n", line().replace("\t", ","), b"\xff\xfe", "\t".join(COLUMNS)])
def test_a_table_of_another_layout_is_an_error_that_names_it(write_source: Any, content: Any) -> None:
    with pytest.raises(DataError, match=TABLE):
        read(write_source({**FILES, TABLE: content}))


def test_the_table_may_have_another_name(write_source: Any) -> None:
    source = write_source({**PICTURES, "birds.tsv": FILES[TABLE]})
    assert read(source, file="birds.tsv").items.num_rows == 4
    with pytest.raises(DataError, match=TABLE):
        read(source)
