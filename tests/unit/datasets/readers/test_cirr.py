from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cirray.datasets import Source, SourceTables
from cirray.datasets.readers.cirr import Cirr, CirrConfig
from cirray.datasets.source import readers
from cirray.errors import DataError
from cirray.storage import Location

MEMBERS = [f"dev-{number}-img0" for number in range(6)]
CAPTIONS = "captions/cap.rc2.val.json"
SPLIT = "image_splits/split.rc2.val.json"


def pair(**changes: Any) -> dict[str, Any]:
    return {
        "pairid": 12060,
        "reference": MEMBERS[0],
        "target_hard": MEMBERS[1],
        "target_soft": {MEMBERS[1]: 1.0, MEMBERS[2]: 0.5, MEMBERS[3]: -1.0, MEMBERS[4]: 1.0},
        "caption": "show three bottles",
        "img_set": {"id": 3, "members": MEMBERS, "reference_rank": 0, "target_rank": 1},
        **changes,
    }


FILES: dict[str, Any] = {
    CAPTIONS: [pair()],
    SPLIT: {name: f"./dev/{name}.png" for name in MEMBERS},
    **{f"dev/{name}.png": b"picture" for name in MEMBERS},
}


def read(source: Source, **settings: Any) -> SourceTables:
    return Cirr(CirrConfig(**{"splits": ("val",), **settings})).read(source)


def test_it_is_registered() -> None:
    assert readers["cirr"] is Cirr


def test_a_pair_has_its_target_and_the_five_others_of_its_set(write_source: Any, rejects: Any) -> None:
    source = write_source(FILES)
    tables = read(source)
    assert tables.triplets["val"].to_pylist() == [
        {
            "query_id": "12060",
            "reference_id": MEMBERS[0],
            "texts": ["show three bottles"],
            "target_id": MEMBERS[1],
            "other_target_ids": [],
            "subset_ids": MEMBERS[1:],
            "category": "",
        }
    ]
    assert rejects(tables, source) == []


def test_soft_targets_are_further_targets_only_when_asked_for(write_source: Any) -> None:
    rows = read(write_source(FILES), soft_targets=True).triplets["val"].to_pylist()
    assert rows[0]["other_target_ids"] == [MEMBERS[2], MEMBERS[4]]


@pytest.mark.parametrize("folder", ["", "img_raw/", "images/"])
@pytest.mark.parametrize("annotations", ["", "cirr/"])
def test_pictures_and_annotations_may_lie_in_the_usual_folders(
    write_source: Any, rejects: Any, folder: str, annotations: str
) -> None:
    files = {f"{annotations}{path}": FILES[path] for path in (CAPTIONS, SPLIT)}
    source = write_source(files | {f"{folder}dev/{name}.jpg": b"picture" for name in MEMBERS})
    tables = read(source)
    assert tables.items["path"].to_pylist() == [f"{folder}dev/{name}.jpg" for name in MEMBERS]
    assert rejects(tables, source) == []


def test_test_pairs_have_no_target_and_pass_preparation(write_source: Any, rejects: Any) -> None:
    hidden = {key: value for key, value in pair().items() if not key.startswith("target")}
    files = {"captions/cap.rc2.test1.json": [hidden], "image_splits/split.rc2.test1.json": FILES[SPLIT]}
    source = write_source({**FILES, **files})
    tables = read(source, splits=("test1",), soft_targets=True)
    (row,) = tables.triplets["test1"].to_pylist()
    assert (row["target_id"], row["other_target_ids"], row["subset_ids"]) == ("", [], MEMBERS[1:])
    assert rejects(tables, source) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pairid": "x"}, "pairid is no number"),
        ({"reference": None}, "reference is no text but missing"),
        ({"target_hard": ["a"]}, "target_hard is no text but ['a']"),
        ({"caption": 5}, "caption is no text but 5"),
        ({"img_set": None}, "img_set: members is no list of texts but missing"),
        ({"img_set": {"members": [1]}}, "img_set: members is no text but 1"),
        ({"target_soft": [1]}, "target_soft is no object"),
    ],
)
def test_a_broken_pair_is_rejected_with_its_place(
    write_source: Any, rejects: Any, changes: dict[str, Any], says: str
) -> None:
    source = write_source({**FILES, CAPTIONS: [pair(), pair(**{"pairid": 2, **changes})]})
    (reject,) = rejects(read(source, soft_targets=True), source)
    assert reject.reason == "unknown-reference"
    assert f"{CAPTIONS}[1]" in reject.detail
    assert says in reject.detail


def test_broken_entries_of_a_split_are_rejected(write_source: Any, rejects: Any) -> None:
    source = write_source({**FILES, SPLIT: {**FILES[SPLIT], "dev-9-img0": 4, " ": "./dev/x.png"}})
    found = rejects(read(source), source)
    assert [reject.reason for reject in found] == ["empty-id", "empty-id"]
    assert "'dev-9-img0' is no text but 4" in found[0].detail


@pytest.mark.parametrize(
    ("path", "content"),
    [(CAPTIONS, {}), (CAPTIONS, ["a"]), (CAPTIONS, [{"pairid": 1}]), (SPLIT, ["a"]), (SPLIT, "{")],
)
def test_a_file_of_another_layout_is_an_error_that_names_it(write_source: Any, path: str, content: Any) -> None:
    with pytest.raises(DataError, match=path.replace(".", r"\.")):
        read(write_source({**FILES, path: content}))


def test_the_official_counts(shared_data: Path, gallery_sizes: Any, rejects: Any) -> None:
    source = Source.open(Location.parse(str(shared_data / "cirr")))
    tables = read(source, splits=("val", "test1"))
    assert {split: rows.num_rows for split, rows in tables.triplets.items()} == {"val": 4_181, "test1": 4_148}
    assert gallery_sizes(tables) == {("", "val"): 2_297, ("", "test1"): 2_315}
    assert {len(ids) for rows in tables.triplets.values() for ids in rows["subset_ids"].to_pylist()} == {5}
    found = rejects(tables, source)
    assert {reject.reason for reject in found if reject.kind == "item"} == {"missing-file"}
    assert [reject.reason for reject in found if reject.kind == "triplet"] == ["empty-text"], "one caption is empty"


def test_the_training_captions_are_asked_for(shared_data: Path) -> None:
    source = Source.open(Location.parse(str(shared_data / "cirr")))
    with pytest.raises(DataError, match=r"captions/cap\.rc2\.train\.json"):
        read(source, splits=("train",))
