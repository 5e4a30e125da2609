from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from cirray.datasets.readers.ut_zap50k import UtZap50k, UtZap50kConfig
from cirray.datasets.source import Source, SourceTables
from cirray.errors import DataError
from cirray.prepare.checks import check_items
from cirray.storage import Location

HEADER = "CID,Category,SubCategory,HeelHeight,Insole,Closure,Gender,Material,ToeStyle\n"


def write(root: Path, rows: list[str], missing: tuple[str, ...] = (), square: bool = True) -> Source:
    (root / "ut-zap50k-data").mkdir()
    (root / "ut-zap50k-data" / "meta-data.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))
    for row in rows:
        cid, category, kind, *_ = (*row.split(","), "", "")
        for folder in ("ut-zap50k-images", *(("ut-zap50k-images-square",) if square else ())):
            path = root / folder / category / kind / "Some Brand" / f"{cid.replace('-', '.')}.jpg"
            if cid and cid not in missing:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"x")
    return Source.open(Location.parse(str(root)))


def many(count: int = 300) -> list[str]:
    materials, closures, genders = ("Leather", "Suede", "Mesh"), ("Lace up", "Slip-On", ""), ("Men", "Women")
    return [
        f"{100 + i}-{i},{'Shoes,Oxfords' if i % 5 else 'Boots,Ankle'},,,{closures[i % 3]},{genders[i % 2]},"
        f"{materials[i // 3 % 3]},Round Toe"
        for i in range(count)
    ]


def read(source: Source, **settings: int | float) -> SourceTables:
    return UtZap50k(UtZap50kConfig(**settings)).read(source)  # type: ignore[arg-type]  # names are checked by pydantic


def test_an_item_has_its_attributes(tmp_path: Path) -> None:
    source = write(tmp_path, ["100627-72,Shoes,Oxfords,,,Lace up;Zipper,Men,Leather,Capped Toe"])
    (row,) = read(source).items.to_pylist()
    assert row.pop("splits") in (["train"], ["test"])
    assert row == {
        "item_id": "100627-72",
        "path": "ut-zap50k-images-square/Shoes/Oxfords/Some Brand/100627.72.jpg",
        "label": "shoes, oxfords, lace up and zipper, men, leather, capped toe",
        "caption": "shoes, oxfords, lace up and zipper, men, leather, capped toe",
        "category": "shoes",
        "attributes": ["shoes", "oxfords", "lace up and zipper", "men", "leather", "capped toe"],
    }


def test_pictures_that_are_not_square_will_do(tmp_path: Path) -> None:
    (row,) = read(write(tmp_path, many(1), square=False)).items.to_pylist()
    assert row["path"].startswith("ut-zap50k-images/")


def test_triplets_change_one_attribute_and_stay_in_their_split(tmp_path: Path) -> None:
    source = write(tmp_path, many())
    raw = {row.split(",")[0]: [cell.lower() for cell in row.split(",")[1:]] for row in many()}
    tables = read(source)
    split_of = {row["item_id"]: row["splits"] for row in tables.items.to_pylist()}
    assert 30 < sum(splits == ["test"] for splits in split_of.values()) < 90
    for split, table in tables.triplets.items():
        rows = table.to_pylist()
        assert rows
        for row in rows:
            assert split_of[row["reference_id"]] == split_of[row["target_id"]] == [split]
            pairs = zip(raw[row["reference_id"]], raw[row["target_id"]], strict=True)
            ((old, new),) = [(old, new) for old, new in pairs if old != new]
            assert old
            assert new
            assert row["texts"] == [f"replace {old} with {new}"]
            assert raw[row["reference_id"]][:2] == raw[row["target_id"]][:2]
        assert len({row["query_id"] for row in rows}) == len(rows)
        assert max(Counter(row["reference_id"] for row in rows).values()) == 2
        descriptions = Counter((row["reference_id"], row["texts"][0]) for row in rows)
        assert max(descriptions.values()) == 1


def test_an_attribute_without_value_is_not_replaced(tmp_path: Path) -> None:
    rows = ["1-1,Shoes,Oxfords,,,,Men,Leather,", "2-2,Shoes,Oxfords,,,Lace up,Men,Leather,"]
    tables = read(write(tmp_path, rows), test_share=0.01)
    assert sum(table.num_rows for table in tables.triplets.values()) == 0


def test_the_same_seed_gives_the_same_queries(tmp_path: Path) -> None:
    source = write(tmp_path, many())
    first, again, other = (read(source, seed=seed).triplets["train"] for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_settings_decide_share_and_number_of_queries(tmp_path: Path) -> None:
    tables = read(write(tmp_path, many()), test_share=0.5, queries_per_reference=3)
    assert 110 < sum(splits == ["test"] for splits in tables.items["splits"].to_pylist()) < 190
    assert max(Counter(tables.triplets["train"]["reference_id"].to_pylist()).values()) == 3
    with pytest.raises(ValidationError):
        UtZap50kConfig(test_share=1.5)


def test_bad_rows_become_rejects(tmp_path: Path) -> None:
    rows = [*many(4), "9-9,Shoes", ",Shoes,Oxfords,,,,,,", "777-7,Shoes,Oxfords,,,,Men,Mesh,", many(1)[0]]
    source = write(tmp_path, rows, missing=("777-7",))
    tables = read(source)
    checked = check_items(tables.items, source.sizes)
    assert checked.table.num_rows == 4
    assert [(reject.id, reject.reason) for reject in checked.rejects] == [
        ("", "empty-id"),
        ("", "empty-id"),
        ("777-7", "missing-file"),
        ("100-0", "duplicate-id"),
    ]
    assert "ut-zap50k-data/meta-data.csv:6" in checked.rejects[0].detail
    asked = {
        row[key] for t in tables.triplets.values() for row in t.to_pylist() for key in ("reference_id", "target_id")
    }
    assert "777-7" not in asked


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"no file meta-data\.csv"),
        ("", r"meta-data\.csv lacks the columns CID, Category"),
        ("CID,Category\n1,Shoes\n", r"lacks the columns SubCategory, .*; its first line has: CID, Category"),
        (HEADER, r"meta-data\.csv has no rows"),
        (HEADER + '1-1,"Sho"es,\n', r"meta-data\.csv, line 2, is not CSV"),
    ],
)
def test_malformed_meta_data_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "meta-data.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        read(Source.open(Location.parse(str(tmp_path))))
