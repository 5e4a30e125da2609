from __future__ import annotations

import shutil
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cirray.config import from_mapping
from cirray.datasets import Source, SourceTables
from cirray.datasets.readers.fashioniq import FashionIq, FashionIqConfig
from cirray.datasets.source import readers
from cirray.errors import ConfigError, DataError
from cirray.storage import Location

DRESS: dict[str, Any] = {
    "captions/cap.dress.train.json": [{"target": "B1", "candidate": "B2", "captions": ["is red", " has sleeves"]}],
    "captions/cap.dress.val.json": [
        {"target": "B3", "candidate": "B4", "captions": ["is shorter", ""]},
        {"target": "B4", "candidate": "B3", "captions": ["", " "]},
    ],
    "captions/cap.dress.test.json": [{"candidate": "B6", "captions": ["is blue", "and long"]}],
    "image_splits/split.dress.train.json": ["B1", "B2"],
    "image_splits/split.dress.val.json": ["B3", "B4", "B5"],
    "image_splits/split.dress.test.json": ["B6"],
    "tags/asin2attr.dress.train.json": {"B1": [["dress"], [], ["lace", "dress"], [], ["neckline"], ["red"]]},
    **{f"images/B{number}.jpg": b"picture" for number in (1, 3, 4, 5, 6)},
    "images/B2.png": b"picture",
}


def read(source: Source, **settings: Any) -> SourceTables:
    return FashionIq(FashionIqConfig(**{"categories": ("dress",), **settings})).read(source)


def by_id(tables: SourceTables) -> dict[str, dict[str, Any]]:
    return {row["item_id"]: row for row in tables.items.to_pylist()}


def test_it_is_registered() -> None:
    assert readers["fashioniq"] is FashionIq


def test_items_have_their_picture_category_tags_and_galleries(write_source: Any, rejects: Any) -> None:
    source = write_source(DRESS)
    tables = read(source)
    items = by_id(tables)
    assert items["dress/B1"] == {
        "item_id": "dress/B1",
        "path": "images/B1.jpg",
        "label": "B1",
        "caption": "",
        "category": "dress",
        "attributes": ["dress", "lace", "neckline", "red"],
        "splits": ["train"],
    }
    assert items["dress/B2"]["path"] == "images/B2.png"
    assert items["dress/B2"]["attributes"] == []
    assert items["dress/B4"]["splits"] == ["val", "val-union"]
    assert items["dress/B5"]["splits"] == ["val"], "it is in no pair"
    assert items["dress/B6"]["splits"] == ["test"]
    assert [reject[:3] for reject in rejects(tables, source)] == [("triplet", "dress-val-00001", "empty-text")]


def test_captions_stay_apart_and_pairs_without_any_stay_to_be_rejected(write_source: Any) -> None:
    triplets = read(write_source(DRESS)).triplets
    assert triplets["train"].select(["query_id", "reference_id", "texts", "target_id", "category"]).to_pylist() == [
        {
            "query_id": "dress-train-00000",
            "reference_id": "dress/B2",
            "texts": ["is red", " has sleeves"],
            "target_id": "dress/B1",
            "category": "dress",
        }
    ]
    assert triplets["val"]["texts"].to_pylist() == [["is shorter"], []]


def test_test_pairs_have_no_target_and_pass_preparation(write_source: Any, rejects: Any) -> None:
    source = write_source(DRESS)
    tables = read(source, splits=("test",))
    assert tables.triplets["test"]["target_id"].to_pylist() == [""]
    assert rejects(tables, source) == []


def test_a_product_of_two_categories_is_an_item_of_each(write_source: Any) -> None:
    files = {
        "captions/cap.shirt.train.json": [],
        "image_splits/split.shirt.train.json": ["B1"],
        "captions/cap.toptee.val.json": [{"target": "B1", "candidate": "B2", "captions": ["is red", "or so"]}],
        "image_splits/split.toptee.val.json": ["B1", "B2"],
        "captions/cap.shirt.val.json": [],
        "image_splits/split.shirt.val.json": [],
        "captions/cap.toptee.train.json": [],
        "image_splits/split.toptee.train.json": [],
    }
    items = by_id(read(write_source(files), categories=("shirt", "toptee"), splits=("train", "val")))
    assert {item: (row["splits"], row["path"], row["label"]) for item, row in items.items()} == {
        "shirt/B1": (["train"], "images/B1.jpg", "B1"),
        "toptee/B1": (["val", "val-union"], "images/B1.jpg", "B1"),
        "toptee/B2": (["val", "val-union"], "images/B2.jpg", "B2"),
    }


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("nothing", "candidate is no text but missing"),
        ({"candidate": "B4", "captions": ["is red"]}, "target is no text but missing"),
        ({"candidate": "B4", "target": "", "captions": ["is red"]}, "target is empty"),
        ({"candidate": 7, "target": "B3", "captions": ["is red"]}, "candidate is no text but 7"),
        ({"candidate": "B4", "target": "B3", "captions": "is red"}, "captions is no list of texts but 'is red'"),
        ({"candidate": "B4", "target": "B3", "captions": ["is red", None]}, "captions is no text but missing"),
        ({"candidate": "B4", "target": "B3", "captions": ["\ud800"]}, "characters that no encoding has"),
    ],
)
def test_a_broken_pair_is_rejected_with_its_place(write_source: Any, rejects: Any, pair: Any, says: str) -> None:
    path = "captions/cap.dress.val.json"
    source = write_source({**DRESS, path: [DRESS[path][0], pair]})
    (reject,) = rejects(read(source, splits=("val",)), source)
    assert (reject.id, reject.reason) == ("dress-val-00001", "unknown-reference")
    assert reject.detail.startswith(f"val: {path}[1]: ")
    assert says in reject.detail


def test_broken_and_repeated_names_are_rejected(write_source: Any, rejects: Any) -> None:
    path = "image_splits/split.dress.train.json"
    source = write_source({**DRESS, path: ["B1", "B2", "B1", 12, " ", "B9"]})
    found = rejects(read(source, splits=("train",)), source)
    assert [(reject.id, reject.reason) for reject in found] == [
        ("dress/B1", "duplicate-id"),
        ("", "empty-id"),
        ("", "empty-id"),
        ("dress/B9", "missing-file"),
    ]
    assert f"{path}[3] is no text but 12" in found[1].detail


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("captions/cap.dress.val.json", {"B1": 1}),
        ("captions/cap.dress.val.json", [1, 2]),
        ("captions/cap.dress.val.json", [{"candidate": "B1", "captions": []}]),
        ("captions/cap.dress.val.json", "[{"),
        ("captions/cap.dress.val.json", b"\xff\xfe"),
        ("image_splits/split.dress.val.json", "null"),
        ("image_splits/split.dress.val.json", [["B1"]]),
        ("tags/asin2attr.dress.val.json", []),
        ("tags/asin2attr.dress.val.json", {"B3": "red"}),
        ("tags/asin2attr.dress.val.json", {"B3": [["red", 1]]}),
    ],
)
def test_a_file_of_another_layout_is_an_error_that_names_it(write_source: Any, path: str, content: Any) -> None:
    source = write_source({**DRESS, path: content})
    with pytest.raises(DataError, match=path.replace(".", r"\.")):
        read(source)


@pytest.mark.parametrize("path", [name for name in DRESS if name.endswith("val.json")])
def test_a_missing_file_is_an_error_that_names_it(write_source: Any, path: str) -> None:
    source = write_source({name: content for name, content in DRESS.items() if name != path})
    with pytest.raises(DataError, match=path.replace(".", r"\.")):
        read(source)


def test_settings_come_from_json_and_are_checked() -> None:
    assert from_mapping(FashionIqConfig, {"name": "fashioniq", "splits": ["val"]}).splits == ("val",)
    with pytest.raises(ConfigError, match="categories"):
        from_mapping(FashionIqConfig, {"name": "fashioniq", "categories": ["hats"]})


@pytest.fixture(scope="module")
def official(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> SourceTables:
    """Return the tables of the official files, tags and all."""
    folder = tmp_path_factory.mktemp("fashioniq")
    for name in ("captions", "image_splits"):
        shutil.copytree(shared_data / "fashioniq" / name, folder / name, copy_function=shutil.copyfile)
    with tarfile.open(shared_data / "fashioniq" / "tags.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return FashionIq(FashionIqConfig()).read(Source.open(Location.parse(str(folder))))


def test_the_official_counts(
    official: SourceTables, gallery_sizes: Callable[[SourceTables], Counter[tuple[str, str]]]
) -> None:
    assert {split: rows.num_rows for split, rows in official.triplets.items()} == {
        "train": 18_000,
        "val": 6_016,
        "test": 6_118,
    }
    sizes = gallery_sizes(official)
    categories = ("dress", "shirt", "toptee")
    assert [sizes[category, "val"] for category in categories] == [3_817, 6_346, 5_373]
    assert [sizes[category, "val-union"] for category in categories] == [2_628, 3_089, 2_902]
    assert [sizes[category, "train"] for category in categories] == [11_452, 19_036, 16_121]
    assert sum(sizes[category, "test"] for category in categories) == 15_538


def test_official_training_pairs_with_tags_on_both_sides(official: SourceTables) -> None:
    items, train = official.items, official.triplets["train"]
    tagged = {
        item for item, tags in zip(*(items[c].to_pylist() for c in ("item_id", "attributes")), strict=True) if tags
    }
    ends = zip(train["reference_id"].to_pylist(), train["target_id"].to_pylist(), strict=True)
    assert sum(reference in tagged and target in tagged for reference, target in ends) == 8_847


def test_of_the_official_pairs_none_is_rejected(official: SourceTables, rejects: Any) -> None:
    ids = official.items["item_id"].to_pylist()
    assert len(ids) == len(set(ids))
    found = rejects(official, Source(Location.parse("/"), ()))
    assert {reject.kind for reject in found} == {"item"}, "no picture is there, and all texts and ids are good"
    assert sum(len(texts) == 1 for texts in official.triplets["train"]["texts"].to_pylist()) == 12
