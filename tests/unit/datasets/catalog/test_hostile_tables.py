"""Tables of catalogues with everything wrong that people and programs do to them. No pictures are opened."""

from __future__ import annotations

import datetime
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cirray.config import from_mapping
from cirray.datasets import Source, SourceTables
from cirray.datasets.catalog import MAX_CELL, CatalogConfig
from cirray.datasets.catalog import table as catalog_table
from cirray.datasets.readers.catalog import Catalog
from cirray.datasets.source import MAX_TABLE_BYTES
from cirray.errors import CirrayError, ConfigError, DataError
from cirray.prepare.checks import check_items, check_splits, check_triplets
from cirray.storage import FileStat, Location


def source_of(folder: Path, **files: bytes) -> Source:
    """Return a source of these files (their last "_" is the dot), and of pictures a.jpg and b.jpg."""
    for name, data in files.items():
        (folder / ".".join(name.rsplit("_", 1))).write_bytes(data)
    listed = Source.open(Location.parse(str(folder))).files
    return Source(Location.parse(str(folder)), (*listed, FileStat("a.jpg", 9, 0), FileStat("b.jpg", 9, 0)))


def read(folder: Path, table: bytes, suffix: str = "csv", **settings: Any) -> SourceTables:
    config = from_mapping(CatalogConfig, {"name": "catalog", "caption": "title", **settings})
    return Catalog(config).read(source_of(folder, **{f"catalog_{suffix}": table}))


def ids(tables: SourceTables) -> list[str]:
    return [str(item) for item in tables.items["item_id"].to_pylist()]


def reasons(tables: SourceTables, sizes: tuple[str, ...] = ("a.jpg", "b.jpg")) -> dict[str, str]:
    """Return the reasons of all items that are rejected before a picture is opened, by "id" or by "row n"."""
    checked = check_items(tables.items, dict.fromkeys(sizes, 9))
    found = {row["id"] or row["detail"].split(":")[0]: row["reason"] for row in tables.rejects.to_pylist()}
    return found | {reject.id or "no id": reject.reason for reject in checked.rejects}


GOOD = "id,image,title\n1,a.jpg,red dress\n2,b.jpg,blue dress\n"


@pytest.mark.parametrize(
    "table",
    [
        GOOD.encode(),
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.encode("utf-16"),
        b"\xfe\xff" + GOOD.encode("utf-16-be"),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
        GOOD.rstrip().encode(),
        GOOD.replace("\n", "\n\n\n").encode(),
        GOOD.replace(",", " , ").encode(),
        b'"id","image","title"\n"1","a.jpg","red dress"\n2,./b.jpg,"blue dress"\n',
        b"title,x,id,x,image\nred dress,,1,,a.jpg\nblue dress,y,2,z,sub/../b.jpg\n",
    ],
)
def test_the_same_table_however_it_is_written(tmp_path: Path, table: bytes) -> None:
    tables = read(tmp_path, table)
    assert ids(tables) == ["1", "2"]
    assert tables.items["caption"].to_pylist() == ["red dress", "blue dress"]
    assert tables.items["path"].to_pylist() == ["a.jpg", "b.jpg"]
    assert reasons(tables) == {}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"3,a.jpg", {"row 2": "malformed-row"}),
        (b"3,a.jpg,red,more", {"row 2": "malformed-row"}),
        (b"3", {"row 2": "malformed-row"}),
        (b'3,a.jpg,"never closed', {"row 2": "malformed-row"}),
        (b'3,a.jpg,"closed" too early', {"row 2": "malformed-row"}),
        (b'3,"a.jpg,red\n4,b.jpg,"x', {"row 2": "malformed-row", "row 3": "malformed-row"}),
        (b"3,a.jpg,caf\xe9", {"3": "bad-encoding"}),
        (b"\xff\xfe3,a.jpg,red", {"\ufffd\ufffd3": "bad-encoding"}),
        (b"3,a.jpg,re\x00d", {"3": "bad-encoding"}),
        (b"3,a.jpg\x00.png,red", {"3": "bad-encoding"}),
        (b"3,a.jpg," + b"x" * (MAX_CELL + 1), {"3": "text-too-long"}),
        (b"3,a.jpg," + b"x" * 1_000_000, {"row 2": "text-too-long"}),
        (b'3,a.jpg,"' + b"x\n" * 500_000 + b'"', None),
        (b",a.jpg,red", {"no id": "empty-id"}),
        (b"  \t ,a.jpg,red", {"no id": "empty-id"}),
        (b"1,b.jpg,red", {"1": "duplicate-id"}),
        (b" 1 ,b.jpg,red", {"1": "duplicate-id"}),
        (b"3,,red", {"3": "missing-file"}),
        (b"3,nowhere.jpg,red", {"3": "missing-file"}),
        (b"3,A.JPG,red", {"3": "missing-file"}),
        (b"3,../a.jpg,red", {"3": "missing-file"}),
        (b"3,../../../../etc/passwd,red", {"3": "missing-file"}),
        (b"3,/etc/passwd,red", {"3": "missing-file"}),
        (b"3,file:///etc/passwd,red", {"3": "missing-file"}),
        (b"3,http://127.0.0.1/a.jpg,red", {"3": "missing-file"}),
        (b"3,s3://other/a.jpg,red", {"3": "missing-file"}),
        (b"3,..\\a.jpg,red", {"3": "missing-file"}),
        (b"3,~/a.jpg,red", {"3": "missing-file"}),
        (b"3,{id}.jpg,red", {"3": "missing-file"}),
        ("3,\u00e5.jpg,red".encode(), {"3": "missing-file"}),
        (b"3,.,red", {"3": "missing-file"}),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_bad_row_is_a_reject_and_costs_no_other(tmp_path: Path, row: bytes, reason: dict[str, str] | None) -> None:
    tables = read(tmp_path, b"id,image,title\n" + row + b"\n1,a.jpg,red dress\n2,b.jpg,blue dress\n")
    found = reasons(tables)
    if reason is None:
        # Each line of a text that is far too long is a row of its own, and none of them is one.
        assert set(found.values()) == {"malformed-row"}
        assert ids(tables) == ["1", "2"]
        return
    if "duplicate-id" not in reason.values():
        assert ids(tables)[-2:] == ["1", "2"]
    assert found == reason
    assert all(len(detail) < 500 for detail in tables.rejects["detail"].to_pylist())


@pytest.mark.parametrize("row", ["007,a.jpg,red", "1e5,a.jpg,red", "NA,a.jpg,null", "\u8d64,a.jpg,\u8d64\u3044"])
def test_ids_are_texts_as_they_stand(tmp_path: Path, row: str) -> None:
    tables = read(tmp_path, f"id,image,title\n{row}\n".encode())
    assert (ids(tables), reasons(tables)) == ([row.split(",")[0]], {})
    assert tables.items["caption"].to_pylist() == [row.split(",")[2]]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (b"", "lacks the columns id, image, title"),
        (b"\n\n\n", "lacks the columns"),
        (b"id,image\n1,a.jpg\n", "lacks the columns title; it has: id, image"),
        (b"id;image;title\n1;a.jpg;red\n", "Check the reader's columns, delimiter"),
        (b"ID,Image,Title\n1,a.jpg,red\n", "lacks the columns"),
        (b"id,image,title,id\n1,a.jpg,red,2\n", "several columns called id"),
        (GOOD.encode("utf-16-le"), "lacks the columns"),
        (b"\x89PNG\r\n\x1a\n", "lacks the columns"),
        (b'"id,image,title\n1,a.jpg,red\n', "lacks the columns"),
        (b"x" * 3_000_000, "lacks the columns"),
        (b"id,image,title\n", "has no items"),
        (b"id,image,title\n1,2\n3\n", "None of the 2 items can be used: malformed-row 2"),
    ],
)
def test_a_table_that_is_none_is_an_error(tmp_path: Path, table: bytes, says: str) -> None:
    with pytest.raises(DataError) as raised:
        check_splits(read(tmp_path, table))
    assert says in str(raised.value)
    assert len(str(raised.value)) < 1500


def test_another_encoding_is_read_where_it_is_named(tmp_path: Path) -> None:
    table = "id,image,title\n1,a.jpg,robe d'\u00e9t\u00e9\n".encode("latin-1")
    assert reasons(read(tmp_path, table)) == {"1": "bad-encoding"}
    assert read(tmp_path, table, encoding="latin-1").items["caption"].to_pylist() == ["robe d'\u00e9t\u00e9"]


def parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


A, B = ["a.jpg", "b.jpg"], ["red", "blue"]


@pytest.mark.parametrize(
    ("column", "expected", "reason"),
    [
        (pa.array([1, 2]), ["1", "2"], {}),
        (pa.array([1.0, None]), ["1", ""], {"no id": "empty-id"}),
        (pa.array([1.0, float("nan")]), ["1", ""], {"no id": "empty-id"}),
        (pa.array([float("inf"), 1.5]), ["inf", "1.5"], {}),
        (pa.array([None, None]), ["", ""], {"no id": "empty-id"}),
        (pa.array([True, False]), ["true", "false"], {}),
        (pa.array([datetime.date(2020, 1, 2), None]), ["2020-01-02", ""], {"no id": "empty-id"}),
        (pa.array(["x", "y"]).dictionary_encode(), ["x", "y"], {}),
        (pa.array(["x", "y"], pa.large_string()), ["x", "y"], {}),
        (pa.array([["x"], None]), [""], {"row 1": "not-text", "no id": "empty-id"}),
        (pa.array([{"x": 1}, {"x": 2}]), [], {"row 1": "not-text", "row 2": "not-text"}),
        (pa.array([b"x", b"y"]), [], {"row 1": "not-text", "row 2": "not-text"}),
        (pa.array([b"x", b"\xff"]).view(pa.string()), ["x"], {"\ufffd": "bad-encoding"}),
        (pa.array(["x", "y" * 20_000]), ["x"], {"y" * 120 + "…": "text-too-long"}),
        (pa.array(["x", "y\x00"]), ["x"], {"y\ufffd": "bad-encoding"}),
        (pa.array([2**62, -(2**62)], pa.timestamp("us")), None, None),
    ],
    ids=lambda value: str(getattr(value, "type", "")) or "…",
)
def test_columns_of_any_type(
    tmp_path: Path, column: pa.Array, expected: list[str] | None, reason: dict[str, str] | None
) -> None:
    tables = read(tmp_path, parquet(id=column, image=A, title=B), "parquet")
    if expected is None:
        return
    assert ids(tables) == expected
    assert reasons(tables) == reason


def test_columns_that_are_not_asked_for_may_be_anything(tmp_path: Path) -> None:
    tables = read(tmp_path, parquet(id=["1", "2"], image=A, title=B, jpeg=[b"\xff", b""], more=[[1], [2]]), "parquet")
    assert reasons(tables) == {}


def test_a_few_bytes_that_promise_a_billion_rows_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer, pa.schema([("id", pa.string()), ("image", pa.string()), ("title", pa.string())])
    ) as w:
        text = pa.nulls(3_000_000, pa.string())
        batch = pa.table({"id": text, "image": text, "title": text})
        for _ in range(7):
            w.write_table(batch)
    assert len(buffer.getvalue()) < 200_000
    with pytest.raises(DataError, match="21,000,000 rows; at most"):
        read(tmp_path, buffer.getvalue(), "parquet")


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + bytes(40) + b"PAR1", b"id,image,title\n", bytes(10_000)])
def test_a_parquet_file_that_is_none_is_an_error(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DataError, match="is not a readable parquet file"):
        read(tmp_path, data, "parquet")


TRIPLETS = "reference,target,text,split,query_id\n"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,2,make it blue,test,q", None),
        ("1,2,,test,q", "empty-text"),
        ("1,2,?!,test,q", "text-without-words"),
        ("9,2,blue,test,q", "unknown-reference"),
        ("1,9,blue,test,q", "unknown-target"),
        (",2,blue,test,q", "unknown-reference"),
        ("9,2,blue,,q", "no-split"),
        ("1,2,blue", "malformed-row"),
        ("1,2,\ufffd,test,q", "bad-encoding"),
        (f"1,2,{'x' * 20_000},test,q", "text-too-long"),
    ],
)
def test_rows_of_a_triplets_table(tmp_path: Path, row: str, reason: str | None) -> None:
    config = CatalogConfig(triplets_table="pairs.csv")
    files = {"catalog_csv": GOOD.encode(), "pairs_csv": f"{TRIPLETS}{row}\n1,2,good,test,good\n".encode()}
    tables = Catalog(config).read(source_of(tmp_path, **files))
    checked = check_triplets("test", tables.triplets["test"], {"1", "2"})
    found = [*(r["reason"] for r in tables.rejects.to_pylist()), *(r.reason for r in checked.rejects)]
    assert found == ([reason] if reason else [])
    assert checked.table["query_id"].to_pylist() == (["good"] if reason else ["good", "q"])


def test_several_texts_are_lists_in_parquet_and_json_in_csv(tmp_path: Path) -> None:
    config = CatalogConfig(triplets_table="pairs.csv")
    pairs = 'reference,target,texts\n1,2,"[""bluer"", ""longer""]"\n1,2,[1]\n1,2,bluer\n1,2,"' + "[" * 5000 + '"\n'
    source = source_of(tmp_path, catalog_csv=GOOD.encode(), pairs_csv=pairs.encode())
    tables = Catalog(config).read(source)
    (split,) = tables.triplets
    assert tables.triplets[split]["texts"].to_pylist() == [["bluer", "longer"]]
    assert [row["reason"] for row in tables.rejects.to_pylist()] == ["not-text"] * 3
    lists = parquet(reference=["1", "2"], target=["2", "1"], texts=[["bluer", None], ["red"]], split=["s", "s"])
    tables = Catalog(CatalogConfig(triplets_table="pairs.parquet")).read(source_of(tmp_path, pairs_parquet=lists))
    assert tables.triplets["s"]["texts"].to_pylist() == [["bluer", ""], ["red"]]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"image": "images/{id"}, "template"),
        ({"image": "{}"}, "template"),
        ({"caption": "{title!r}"}, "template"),
        ({"triplets": {"train": {"rule": "attribute"}}}, "`attributes` is empty"),
        ({"attributes": ["a"], "triplets": {"t": {"rule": "attribute", "change": ["b"]}}}, "does not list"),
        ({"caption": None, "triplets": {"t": {"rule": "caption-word"}}}, "`caption` is not set"),
        ({"triplets": {"t": {"rule": "magic"}}}, "caption-word"),
        ({"id_colum": "x"}, "id_column"),
    ],
)
def test_settings_that_do_not_fit_are_told(tmp_path: Path, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(tmp_path, GOOD.encode(), **settings)


def test_a_template_is_never_evaluated(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lacks the columns"):
        read(tmp_path, GOOD.encode(), image="{id.__class__}")


def test_two_default_tables_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither"):
        Catalog(CatalogConfig()).read(source_of(tmp_path))
    with pytest.raises(DataError, match="both"):
        Catalog(CatalogConfig()).read(source_of(tmp_path, catalog_csv=b"", catalog_parquet=b""))
    with pytest.raises(DataError, match="has no file"):
        Catalog(CatalogConfig(table="../secret.csv")).read(source_of(tmp_path))


CELLS = st.text(st.sampled_from('ab,"\n\r\t ;\x00\ufffd1é'), max_size=6) | st.sampled_from(
    ["1", "2", "a.jpg", "b.jpg"]
)


@settings(deadline=None)
@given(rows=st.lists(st.lists(CELLS, max_size=4)), junk=st.binary(max_size=30), cut=st.integers(0, 200))
def test_random_tables_give_rows_and_rejects(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], junk: bytes, cut: int
) -> None:
    data = "\n".join(",".join(row) for row in rows).encode()
    table = b"id,image,title\n" + data[:cut] + junk + data[cut:]
    tables = read(tmp_path_factory.mktemp("fuzz"), table)
    checked = check_items(tables.items, {"a.jpg": 9, "b.jpg": 9})
    assert checked.table.num_rows + len(checked.rejects) == tables.items.num_rows
    lines = len(table.replace(b"\r", b"\n").split(b"\n"))
    assert tables.items.num_rows + tables.rejects.num_rows < lines


@settings(deadline=None, max_examples=150)
@given(changes=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_parquet_files_are_tables_or_errors(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(parquet(id=["1", "2"], image=A, title=B))
    for place, value in changes:
        data[place % len(data)] = value
    try:
        tables = read(tmp_path_factory.mktemp("fuzz"), bytes(data), "parquet")
    except CirrayError:
        return
    assert tables.items.num_rows + tables.rejects.num_rows <= 2


@pytest.mark.timeout(40)
def test_records_without_end_are_given_up(tmp_path: Path) -> None:
    """Each line ends a cell and begins another: read from any of them, the record goes on to the end of the file."""
    table = b"id,image,title\n" + b'x","\n' * 20_000 + b"1,a.jpg,red\n"
    tables = read(tmp_path, table)
    assert ids(tables) == ["1"]
    assert tables.rejects.num_rows == 20_000


def test_a_record_may_have_many_lines(tmp_path: Path) -> None:
    lines = "\n".join(f"line {number}" for number in range(900))
    tables = read(tmp_path, f'id,image,title\n1,a.jpg,"{lines}"\n2,b.jpg,red\n'.encode())
    assert ids(tables) == ["1", "2"]


def test_what_is_no_table_at_all_ends_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_table, "MAX_REJECTS", 50)
    with pytest.raises(DataError, match="More than 50 rows cannot be read"):
        read(tmp_path, b"id,image,title\n" + b"junk\n" * 51)


def test_a_table_larger_than_memory_is_refused_unread(tmp_path: Path) -> None:
    files = (FileStat("catalog.csv", MAX_TABLE_BYTES + 1, 0),)
    with pytest.raises(DataError, match=r"catalog\.csv has 2,147,483,649 bytes"):
        Catalog(CatalogConfig()).read(Source(Location.parse(str(tmp_path)), files))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"triplets": {"tset": {"rule": "caption-word"}}}, "rules for tset, .* the splits test, train"),
        ({"split_column": "title", "triplets": {"train": {"rule": "caption-word"}}}, "rules for train"),
    ],
)
def test_rules_for_a_split_that_there_is_not_are_told(tmp_path: Path, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        read(tmp_path, GOOD.encode(), **settings)


def test_a_key_with_two_slashes_is_a_key(tmp_path: Path) -> None:
    listed = source_of(tmp_path, catalog_csv=b"id,image\n1,x//a.jpg\n2,.//a.jpg\n")
    source = Source(listed.place, (*listed.files, FileStat("x//a.jpg", 9, 0)))
    assert Catalog(CatalogConfig()).read(source).items["path"].to_pylist() == ["x//a.jpg", "a.jpg"]
