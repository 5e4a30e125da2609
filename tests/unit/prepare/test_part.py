from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cirray.config import override
from cirray.datasets import ITEMS, decode, items_table
from cirray.errors import BadImageError, DataError, StorageError
from cirray.prepare import PrepareConfig, part
from cirray.prepare.config import PartConfig
from cirray.prepare.known import CheckedPicture, Earlier, Known
from cirray.prepare.part import PartResult, check_picture, prepare_part, thin_part
from cirray.prepare.plan import Part
from cirray.prepare.rejects import CRASHES_DECODER, Reject
from cirray.storage import FileStat, Location

CONFIG = override(PrepareConfig.of("css-2d"), ["row_group_size=4"])


def picture(height: int, width: int, kind: str = "PNG", mode: str = "RGB", seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, format=kind)
    return buffer.getvalue()


class Source:
    """Ten pictures in a folder, as a listing would describe them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.place = folder / "source", Location.parse(str(folder / "source"))
        self.target = Location.parse(str(folder / "target"))
        self.folder.mkdir()
        for index in range(10):
            self.put(index, picture(4 + index, 5, seed=index))

    def put(self, index: int, data: bytes) -> None:
        (self.folder / f"{index}.png").write_bytes(data)

    def data(self, index: int) -> bytes:
        return (self.folder / f"{index}.png").read_bytes()

    @property
    def items(self) -> pa.Table:
        rows = [
            {
                "item_id": f"i{i}",
                "path": f"{i}.png",
                "label": f"l{i}",
                "caption": f"c{i}",
                "splits": ["train"] * (i % 2),
            }
            for i in range(10)
        ]
        return items_table(rows)

    @property
    def part(self) -> Part:
        return Part(7, self.items, [FileStat(f"{i}.png", len(self.data(i)), 0) for i in range(10)], {})

    def prepare(self, config: PrepareConfig = CONFIG, target: Location | None = None) -> PartResult:
        return prepare_part(self.part, self.place, target or self.target, config)

    def written(self, result: PartResult) -> pq.ParquetFile:
        return pq.ParquetFile(io.BytesIO((self.target / result.entry.path).read()))


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def test_a_part_has_the_items_with_their_pictures(source: Source) -> None:
    result = source.prepare()
    assert (result.entry.name, result.entry.rows, result.rejects) == ("items/part-00007.parquet", 10, [])
    table = source.written(result).read()
    assert table.schema == ITEMS
    expected = [
        {"width": 5, "height": 4 + i, "image": source.data(i), **{k: v for k, v in row.items() if k != "path"}}
        for i, row in enumerate(source.items.to_pylist())
    ]
    assert [dict(sorted(row.items())) for row in table.to_pylist()] == [dict(sorted(row.items())) for row in expected]


def test_row_groups_have_the_size_asked_for(source: Source) -> None:
    file = source.written(source.prepare())
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [4, 4, 2]


def test_the_same_pictures_give_the_same_bytes(source: Source, tmp_path: Path) -> None:
    other = Location.parse(str(tmp_path / "other"))
    assert source.prepare().entry == source.prepare(target=other).entry == source.prepare().entry
    assert len(list(source.target.files())) == 1


def test_pictures_that_cannot_be_decoded_are_rejected(source: Source) -> None:
    source.put(3, source.data(3)[:40])
    source.put(8, b"no picture")
    result = source.prepare()
    assert [(r.kind, r.id, r.reason) for r in result.rejects] == [
        ("item", "i3", "truncated"),
        ("item", "i8", "not-an-image"),
    ]
    assert result.rejects[1].detail.startswith("8.png: These 10 bytes are not a picture.")
    assert source.written(result).read()["item_id"].to_pylist() == [f"i{i}" for i in (0, 1, 2, 4, 5, 6, 7, 9)]


def test_a_part_of_which_nothing_is_left_can_be_read(source: Source) -> None:
    for index in range(10):
        source.put(index, b"no picture")
    result = source.prepare()
    assert result.entry.rows == 0
    assert source.written(result).read().schema == ITEMS


def test_a_file_that_changed_since_the_listing_is_an_error(source: Source) -> None:
    part = source.part
    source.put(5, source.data(5) + b"more")
    with pytest.raises(DataError, match=r"5\.png changed while it was being prepared"):
        prepare_part(part, source.place, source.target, CONFIG)
    assert list(source.target.files()) == []


def test_a_file_that_vanished_since_the_listing_is_an_error(source: Source) -> None:
    part = source.part
    (source.folder / "5.png").unlink()
    with pytest.raises(StorageError, match=r"5\.png cannot be read"):
        prepare_part(part, source.place, source.target, CONFIG)


def test_each_good_picture_is_hashed(source: Source) -> None:
    source.put(3, source.data(4))
    source.put(8, b"no picture")
    rows = {row["item_id"]: row for row in source.prepare().hashes.to_pylist()}
    assert sorted(rows) == [f"i{i}" for i in (0, 1, 2, 3, 4, 5, 6, 7, 9)]
    assert rows["i3"]["bytes"] == hashlib.sha256(source.data(4)).hexdigest() == rows["i4"]["bytes"]
    assert rows["i3"]["pixels"] == rows["i4"]["pixels"] != rows["i5"]["pixels"]
    assert (rows["i2"]["width"], rows["i2"]["height"]) == (5, 6)


def test_a_part_without_some_items_is_as_if_they_had_never_been(source: Source) -> None:
    whole = source.prepare()
    thin = thin_part(whole, {"i2", "i7"}, source.target, CONFIG)
    assert thin.entry.name == whole.entry.name
    rows = [row for row in source.written(whole).read().to_pylist() if row["item_id"] not in ("i2", "i7")]
    file = source.written(thin)
    assert file.read().to_pylist() == rows
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [4, 4]


def test_a_scaled_part_says_the_new_size(source: Source) -> None:
    source.put(0, picture(100, 50))
    config = override(CONFIG, ["resize=longest-side", "size=20"])
    first = source.written(source.prepare(config)).read().to_pylist()[0]
    assert (first["width"], first["height"]) == decode(first["image"]).size == (10, 20)


def test_a_bad_picture_is_the_error_of_pictures() -> None:
    with pytest.raises(BadImageError):
        check_picture(b"no picture", CONFIG)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list to which each picture that is decoded from now on is added."""
    found: list[bytes] = []

    def check(data: bytes, config: PartConfig) -> CheckedPicture:
        found.append(data)
        return check_picture(data, config)

    monkeypatch.setattr(part, "check_picture", check)
    return found


@pytest.mark.parametrize("resize", ["none", "stretch"])
def test_only_what_changed_is_decoded_again(
    source: Source, tmp_path: Path, decoded: list[bytes], resize: str
) -> None:
    config = override(CONFIG, [f"resize={resize}", "size=16"])
    source.put(6, b"no picture")
    before = source.prepare(config)
    assert len(decoded) == 10
    decoded.clear()

    source.put(3, picture(30, 5, seed=77))
    earlier = Earlier(source.target, [] if resize == "none" else [before.entry], before.hashes)
    again = prepare_part(source.part, source.place, source.target, config, earlier.known())
    # What cannot be decoded leaves no hash by which it would be known again.
    assert decoded == [source.data(3), source.data(6)]
    assert again.decoded == 2
    fresh = source.prepare(config, Location.parse(str(tmp_path / "fresh")))
    assert replace(again, decoded=10) == fresh
    assert len(again.rejects) == 1


def test_a_damaged_earlier_part_costs_only_time(source: Source, decoded: list[bytes]) -> None:
    config = override(CONFIG, ["resize=stretch", "size=16"])
    before = source.prepare(config)
    (source.target / before.entry.path).write(b"something else")
    known = Earlier(source.target, [before.entry], before.hashes).known()
    assert prepare_part(source.part, source.place, source.target, config, known) == replace(before, decoded=10)
    assert len(decoded) == 20


def test_pictures_that_must_not_be_decoded_are_not(source: Source, decoded: list[bytes]) -> None:
    reject = Reject("item", "i4", CRASHES_DECODER, "4.png")
    result = prepare_part(source.part, source.place, source.target, CONFIG, Known(rejects={"i4": reject}))
    assert result.rejects == [reject]
    assert source.data(4) not in decoded
    assert result.entry.rows == len(decoded) == 9
