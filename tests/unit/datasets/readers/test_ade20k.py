from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from cirray.datasets.readers.ade20k import Ade20k, Ade20kConfig
from cirray.datasets.source import Source, SourceTables
from cirray.errors import DataError
from cirray.prepare.checks import check_items
from cirray.storage import Location

ATTRIBUTES = """001 # 0 # 0 # wall # wall # ""
002 # 0 # 0 # person, individual, someone # man # "sitting"

003 # 1 # 0 # head # head # ""
004 # 0 # 1 # wall # wall # ""
"""
SCENES = {"a/abbey": 7, "b/bedroom": 3, "a/apartment_building/outdoor": 2, "m/misc": 4, "outliers": 2}


def write_2016(root: Path, attributes: str = ATTRIBUTES) -> Source:
    number = 0
    for part, kind in (("training", "train"), ("validation", "val")):
        for scene, count in SCENES.items():
            folder = root / "ADE20K_2016_07_26" / "images" / part / scene
            folder.mkdir(parents=True)
            for _ in range(count):
                number += 1
                stem = f"ADE_{kind}_{number:08d}"
                (folder / f"{stem}.jpg").write_bytes(b"x")
                (folder / f"{stem}_seg.png").write_bytes(b"x")
                (folder / f"{stem}_atr.txt").write_text(attributes)
    return Source.open(Location.parse(str(root)))


def write_2021(root: Path, annotation: str) -> Source:
    folder = root / "images" / "ADE" / "training" / "urban" / "street"
    folder.mkdir(parents=True)
    (folder / "ADE_train_00000001.jpg").write_bytes(b"x")
    (folder / "ADE_train_00000001.json").write_text(annotation)
    (folder / "ADE_train_00000002.jpg").write_bytes(b"x")
    return Source.open(Location.parse(str(root)))


def read(source: Source, **settings: int | str) -> SourceTables:
    return Ade20k(Ade20kConfig.model_validate(settings)).read(source)


def test_items_have_scene_and_objects(tmp_path: Path) -> None:
    tables = read(write_2016(tmp_path))
    assert tables.triplets == {}
    row = next(row for row in tables.items.to_pylist() if row["label"] == "abbey")
    assert row.pop("splits") in (["database"], ["query"])
    assert row == {
        "item_id": "ADE_train_00000001",
        "path": "ADE20K_2016_07_26/images/training/a/abbey/ADE_train_00000001.jpg",
        "label": "abbey",
        "caption": "wall, person",
        "category": "",
        "attributes": ["wall", "person"],
    }


def test_three_of_each_scene_are_the_database(tmp_path: Path) -> None:
    rows = read(write_2016(tmp_path)).items.to_pylist()
    found = Counter((row["label"], *row["splits"]) for row in rows)
    assert found == {
        ("abbey", "database"): 3,
        ("abbey", "query"): 4,
        ("bedroom", "database"): 3,
        ("apartment_building/outdoor", "database"): 2,
    }


def test_the_draw_depends_on_the_seed_alone(tmp_path: Path) -> None:
    source = write_2016(tmp_path)

    def database(seed: int) -> set[str]:
        rows = read(source, seed=seed, shots=2).items.to_pylist()
        return {row["item_id"] for row in rows if row["splits"] == ["database"]}

    assert database(0) == database(0)
    assert len({frozenset(database(seed)) for seed in range(5)}) > 1
    assert len(database(0)) == 6


@pytest.mark.parametrize(("part", "count"), [("training", 12), ("validation", 12), ("all", 24)])
def test_the_part_is_a_setting(tmp_path: Path, part: str, count: int) -> None:
    assert read(write_2016(tmp_path), part=part).items.num_rows == count


def test_the_release_of_2021(tmp_path: Path) -> None:
    objects = [
        {"name": "sky", "parts": {"part_level": 0}},
        {"name": "door, entrance", "parts": {"part_level": "0"}},
        {"name": "knob", "parts": {"part_level": 1}},
        {"name": "sky"},
    ]
    rows = read(write_2021(tmp_path, json.dumps({"annotation": {"object": objects}}))).items.to_pylist()
    assert [(row["label"], row["caption"]) for row in rows] == [("urban/street", "sky, door"), ("urban/street", "")]


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ("{", r"street/ADE_train_00000001\.json is not readable as JSON"),
        ("[]", r"ADE_train_00000001\.json has no list annotation\.object"),
        ('{"annotation": {"object": [{"name": 5}]}}', r"annotation\.object\[0\], has no name"),
        ('{"annotation": {"object": [{"name": "sky"}, 7]}}', r"annotation\.object\[1\], has no name"),
    ],
)
def test_a_malformed_annotation_is_named(tmp_path: Path, annotation: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(write_2021(tmp_path, annotation))


def test_a_malformed_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ADE_train_00000001_atr\.txt, line 2, is not .* but 'oops'"):
        read(write_2016(tmp_path, '001 # 0 # 0 # wall # wall # ""\noops\n'))


def test_a_source_without_scenes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no pictures training/<scene>/ADE_….jpg.*full ADE20K release"):
        read(Source.open(Location.parse(str(tmp_path))))


def test_half_a_character_is_a_bad_encoding_and_no_crash(tmp_path: Path) -> None:
    source = write_2021(tmp_path, '{"annotation": {"object": [{"name": "sky \\ud800"}]}}')
    (reject,) = check_items(read(source).items, source.sizes).rejects
    assert (reject.id, reject.reason) == ("ADE_train_00000001", "bad-encoding")
