from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from cirray.datasets import SOURCE_ITEMS
from cirray.datasets.raw import BATCH, read_table, write_files
from cirray.errors import DataError, StorageError
from cirray.storage import Location, table_bytes

EMPTY = {"item_id": "", "path": "", "label": "", "caption": "", "category": "", "attributes": [], "splits": []}
ROW = EMPTY | {"item_id": "a", "path": "a.png", "label": "l", "caption": "c", "splits": ["train"]}


@pytest.fixture
def place(tmp_path: Path) -> Location:
    return Location.parse(str(tmp_path / "source"))


def put(place: Location, table: pa.Table) -> Location:
    file = place / "items.parquet"
    file.write(table_bytes(table))
    return file


def test_write_files_writes_them_all(place: Location) -> None:
    files = [(f"images/{index % 3}/{index}.bin", index.to_bytes(2, "big")) for index in range(BATCH + 5)]
    counts: list[int] = []
    write_files(place, iter(files), counts.append)
    assert sorted((file.path, (place / file.path).read()) for file in place.files()) == sorted(files)
    assert counts == [BATCH, 5]


def test_write_files_overwrites_what_a_killed_writer_left(place: Location) -> None:
    write_files(place, [("a", b"long and unfinished")], lambda count: None)
    write_files(place, [("a", b"new")], lambda count: None)
    assert (place / "a").read() == b"new"


def test_write_files_says_what_it_cannot_write(place: Location) -> None:
    place.write(b"a file, where a folder should be")
    with pytest.raises(StorageError, match=r"images/a cannot be written: Not a directory"):
        write_files(place, [("images/a", b"")], lambda count: None)


def test_tables_come_back_as_they_were(place: Location) -> None:
    table = pa.Table.from_pylist([ROW, ROW | {"item_id": "b", "splits": []}], schema=SOURCE_ITEMS)
    assert read_table(put(place, table), SOURCE_ITEMS).equals(table)


def test_only_the_columns_of_the_schema_are_read_in_its_order(place: Location) -> None:
    table = pa.Table.from_pylist([dict(reversed((ROW | {"more": 1}).items()))])
    assert read_table(put(place, table), SOURCE_ITEMS).to_pylist() == [ROW]


def test_other_string_types_are_taken(place: Location) -> None:
    table = pa.Table.from_pylist([ROW])
    large = table.set_column(0, "item_id", table["item_id"].cast(pa.large_string()).dictionary_encode())
    assert read_table(put(place, large), SOURCE_ITEMS).schema == SOURCE_ITEMS


def test_empty_cells_become_empty_values(place: Location) -> None:
    table = pa.Table.from_pylist([ROW, dict.fromkeys(ROW)])
    assert read_table(put(place, table), SOURCE_ITEMS).to_pylist() == [
        ROW,
        EMPTY,
    ]


def test_a_missing_column_is_named(place: Location) -> None:
    table = pa.Table.from_pylist([ROW]).drop_columns(["label", "splits"])
    with pytest.raises(DataError, match=r"lacks the columns label, splits; it has: item_id, path, caption"):
        read_table(put(place, table), SOURCE_ITEMS)


def test_a_column_of_another_type_is_named(place: Location) -> None:
    with pytest.raises(DataError, match=r"Column splits of .* is of type string, where list<.*string> was expected"):
        read_table(put(place, pa.Table.from_pylist([ROW | {"splits": "train"}])), SOURCE_ITEMS)


def test_what_is_no_parquet_file_is_refused(place: Location) -> None:
    (place / "items.parquet").write(b"item_id,path\n")
    with pytest.raises(DataError, match="not a readable parquet file"):
        read_table(place / "items.parquet", SOURCE_ITEMS)


def test_a_damaged_parquet_file_is_an_error_of_the_data(place: Location) -> None:
    rows = [ROW | {"item_id": f"item {number}", "caption": str(number) * 9} for number in range(30)]
    whole = table_bytes(pa.Table.from_pylist(rows, schema=SOURCE_ITEMS))
    file = place / "items.parquet"
    damages = 0
    for position in range(4, len(whole) - 4, 7):
        file.write(whole[:position] + bytes([whole[position] ^ 0xA5]) + whole[position + 1 :])
        try:
            read_table(file, SOURCE_ITEMS).to_pylist()
        except DataError:
            damages += 1
    assert damages > 50


def test_a_file_that_is_not_there_is_an_error_of_the_storage(place: Location) -> None:
    with pytest.raises(StorageError, match="nothing of that name"):
        read_table(place / "items.parquet", SOURCE_ITEMS)


def test_two_columns_of_one_name_are_refused(place: Location) -> None:
    table = pa.Table.from_pylist([ROW])
    with pytest.raises(DataError, match="more than one column of the name label"):
        read_table(put(place, table.append_column("label", table["caption"])), SOURCE_ITEMS)


def test_empty_values_within_lists_are_left_out(place: Location) -> None:
    rows = [ROW | {"splits": [None, "test"]}, ROW | {"splits": [None]}, ROW]
    table = pa.Table.from_pylist(rows, schema=SOURCE_ITEMS)
    assert read_table(put(place, table), SOURCE_ITEMS)["splits"].to_pylist() == [["test"], [], ["train"]]
