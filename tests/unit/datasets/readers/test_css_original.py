from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cirray.datasets.readers.css_original import MAX_ENTRIES, MAX_PARTS, CssOriginal, CssOriginalConfig
from cirray.datasets.source import Source, SourceTables
from cirray.errors import DataError
from cirray.prepare.checks import check_triplets
from cirray.storage import Location

FILE = "css_toy_dataset_novel2_small.dup.npy"
HEADER = (
    np.lib.format.magic(1, 0)
    + struct.pack("<H", 70)
    + (b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(69) + b"\n")
)


def python_2_pickle(value: Any) -> bytes:
    """Return what Python 2 writes for plain data: strings of bytes, marks and small integers."""
    if isinstance(value, str):
        return b"T" + struct.pack("<i", len(value)) + value.encode("latin-1")
    if isinstance(value, bool) or value is None:
        return {True: b"\x88", False: b"\x89", None: b"N"}[value]
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, list):
        return b"](" + b"".join(map(python_2_pickle, value)) + b"e"
    pairs = (python_2_pickle(key) + python_2_pickle(content) for key, content in value.items())
    return b"}(" + b"".join(pairs) + b"u"


def python_2_npy(value: Any) -> bytes:
    """Return the file that NumPy of Python 2 saves for `value` alone."""
    return (
        HEADER
        + b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87R"
        + b"(K\x01)cnumpy\ndtype\nq\x03U\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"
        + b"\x89]"
        + python_2_pickle(value)
        + b"atb."
    )


def shown(shape: str, color: str, size: str, *position: float) -> dict[str, Any]:
    return {"size": size, "color": color, "shape": shape, "pos": list(position)}


def mod(text: Any, references: list[Any], targets: list[Any]) -> dict[str, Any]:
    unsaid = {"target_pos": None, "target_size": None, "make_new_size": "large", "make_new_color": None}
    return {"type": "make", "str": ["make"], "to_str": text, **unsaid, "from": references, "to": targets}


def world() -> dict[str, Any]:
    circle, cube = shown("circle", "red", "small", 0.9, 0.9), shown("cube", "gray", "large", 0.1, 0.5)
    train = {
        "objects_img": [[circle, cube], [dict(circle)], [dict(cube)], []],
        "mods": [mod("remove circle", [0, 1], [2, 3])],
        "labels": [0, 1, 2, 3],
    }
    test = {
        "objects_img": [[circle], [shown("cylinder", "cyan", "small", 1.0, 0.0)], [circle]],
        "mods": [mod("make circle cyan", [0], [1]), mod("add object", [1], [2])],
        "labels": [7, 8, 7],
    }
    return {"train": train, "test": test}


def read(root: Path, value: Any) -> SourceTables:
    (root / FILE).write_bytes(python_2_npy(value))
    return CssOriginal(CssOriginalConfig()).read(Source.open(Location.parse(str(root))))


def test_items_have_scene_label_and_picture(tmp_path: Path) -> None:
    (tmp_path / "unpacked").mkdir()
    (tmp_path / "unpacked" / FILE).write_bytes(python_2_npy(world()))
    items = CssOriginal(CssOriginalConfig()).read(Source.open(Location.parse(str(tmp_path)))).items.to_pylist()
    assert items[0] == {
        "item_id": "css_train_000000",
        "path": "unpacked/images/css_train_000000.png",
        "label": "train-0",
        "caption": "a large gray rectangle at top-center, a small red circle at bottom-right",
        "category": "",
        "attributes": [],
        "splits": ["train"],
    }
    assert items[3]["caption"] == "no objects"
    assert items[5]["caption"] == "a small cyan triangle at bottom-left"


def test_duplicates_share_a_label_and_splits_do_not(tmp_path: Path) -> None:
    rows = read(tmp_path, world()).items.to_pylist()
    labels = {row["item_id"]: row["label"] for row in rows}
    assert labels["css_test_000000"] == labels["css_test_000002"] == "test-7"
    assert len(set(labels.values())) == 6


def test_without_labels_each_picture_has_its_own(tmp_path: Path) -> None:
    value = world()
    del value["test"]["labels"]
    labels = read(tmp_path, value).items["label"].to_pylist()
    assert labels[4:] == ["test-0", "test-1", "test-2"]


def test_each_reference_of_a_change_is_a_triplet(tmp_path: Path) -> None:
    triplets = read(tmp_path, world()).triplets
    found = [
        (row["query_id"], row["reference_id"], row["texts"], row["target_id"])
        for row in triplets["train"].to_pylist()
    ]
    assert found == [
        ("css_train_m00000_0", "css_train_000000", ["remove circle"], "css_train_000002"),
        ("css_train_m00000_1", "css_train_000001", ["remove circle"], "css_train_000003"),
    ]
    assert triplets["test"]["texts"].to_pylist() == [["make circle cyan"], ["add object"]]


@pytest.mark.parametrize(("split", "changes", "pictures"), [("train", 6004, 19_012), ("test", 6019, 19_057)])
def test_a_file_of_the_published_structure_has_the_published_counts(
    tmp_path: Path, split: str, changes: int, pictures: int
) -> None:
    value = world()
    first = [1000 + 3 * number for number in range(changes)]
    value[split] = {
        "objects_img": [[] for _ in range(pictures)],
        "mods": [mod("make circle red", [n % 1000, (n + 1) % 1000, 5], [n, n + 1, n + 2]) for n in first],
        "labels": list(range(pictures)),
    }
    tables = read(tmp_path, value)
    assert sum(splits == [split] for splits in tables.items["splits"].to_pylist()) == pictures
    assert tables.triplets[split].num_rows == changes * 3 == pictures - 1000
    assert tables.triplets[split]["target_id"].to_pylist()[-1] == f"css_{split}_{pictures - 1:06d}"
    known = set(tables.items["item_id"].to_pylist())
    assert check_triplets(split, tables.triplets[split], known).rejects == []


def test_bad_changes_become_rejects(tmp_path: Path) -> None:
    value = world()
    value["train"]["mods"] += [
        mod("make circle red", [0, 1], [99, None]),
        mod(5, [0], [1]),
        mod("add it", [0, 1], [2]),
    ]
    tables = read(tmp_path, value)
    checked = check_triplets("train", tables.triplets["train"], set(tables.items["item_id"].to_pylist()))
    assert checked.table.num_rows == 3
    assert [(reject.id, reject.reason) for reject in checked.rejects] == [
        ("css_train_m00001_0", "unknown-target"),
        ("css_train_m00001_1", "unknown-target"),
        ("css_train_m00002_0", "empty-text"),
        ("css_train_m00003_1", "unknown-target"),
    ]


@pytest.mark.parametrize(
    ("keys", "change", "message"),
    [
        (("train",), None, r"dup\.npy, has no 'train' that is a dict"),
        (("test", "mods"), "x", r"test, has no 'mods' that is a list"),
        (("test", "labels"), [1], r"test, has 3 scenes in objects_img, but 1 labels"),
        (("test", "labels"), [1, 2, None], r"test, labels\[2\] is a NoneType"),
        (("train", "objects_img", 1), 5, r"train, objects_img\[1\] is a int, where a list"),
        (("train", "objects_img", 1, 0), "red", r"train, objects_img\[1\]\[0\] is not an object with a size"),
        (("train", "objects_img", 1, 0, "color"), "pink", r"objects_img\[1\]\[0\] is not .*color \(gray, red"),
        (("train", "objects_img", 1, 0, "shape"), ["cube"], r"objects_img\[1\]\[0\] is not an object"),
        (("train", "objects_img", 1, 0, "pos"), [0.5], r"objects_img\[1\]\[0\] is not an object"),
        (("train", "objects_img", 1, 0, "pos"), [0.5, float("nan")], r"objects_img\[1\]\[0\] is not an object"),
        (("train", "mods", 0), 7, r"train, mods\[0\] is not a change"),
        (("train", "mods", 0, "from"), None, r"train, mods\[0\] is not a change"),
    ],
)
def test_a_file_of_another_structure_is_named_to_the_place(
    tmp_path: Path, keys: tuple[Any, ...], change: Any, message: str
) -> None:
    value: Any = world()
    place = value
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = change
    with pytest.raises(DataError, match=message):
        read(tmp_path, value)


def test_a_file_that_would_run_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(HEADER + b"cposix\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(DataError, match=rf"{FILE} is refused, at step 1 .*asks for posix\.system"):
        CssOriginal(CssOriginalConfig()).read(Source.open(Location.parse(str(tmp_path))))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"has no {FILE}"):
        CssOriginal(CssOriginalConfig()).read(Source.open(Location.parse(str(tmp_path))))


def test_numbers_and_lists_beyond_all_sense_are_refused_or_rejected(tmp_path: Path) -> None:
    """Written out, the number has five thousand digits, and the list a billion entries."""
    huge, nested = b"\x8b" + struct.pack("<i", 3000) + b"\x01" * 3000, b"(]q\x05" + b"(h\x05h\x05l" * 30 + b"t"
    for planted in (huge, nested):
        value = world()
        value["train"]["mods"] += [mod("make it red", [-77], [1])]
        data = python_2_npy(value).replace(python_2_pickle(-77), planted)
        (tmp_path / FILE).write_bytes(data)
        tables = CssOriginal(CssOriginalConfig()).read(Source.open(Location.parse(str(tmp_path))))
        checked = check_triplets("train", tables.triplets["train"], set(tables.items["item_id"].to_pylist()))
        assert [reject.reason for reject in checked.rejects] == ["unknown-reference"]
    for keys in (("labels", 0), ("objects_img", 1, 0, "pos", 0)):
        value = world()
        place: Any = value["train"]
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = -77
        (tmp_path / FILE).write_bytes(python_2_npy(value).replace(python_2_pickle(-77), huge))
        with pytest.raises(DataError, match=rf"train, {keys[0]}"):
            CssOriginal(CssOriginalConfig()).read(Source.open(Location.parse(str(tmp_path))))


@pytest.mark.parametrize(
    ("keys", "length", "message"),
    [
        (("objects_img", 0), MAX_PARTS, r"objects_img\[0\] has 101 objects"),
        (("mods", 0, "from"), MAX_PARTS, r"mods\[0\] is not a change with lists of at most 100"),
        (("objects_img",), MAX_ENTRIES, "has 200,001 entries"),
    ],
)
def test_lists_that_would_multiply_are_refused(
    tmp_path: Path, keys: tuple[Any, ...], length: int, message: str
) -> None:
    value: Any = world()
    place = value["train"]
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = [0] * (length + 1)
    with pytest.raises(DataError, match=message):
        read(tmp_path, value)
