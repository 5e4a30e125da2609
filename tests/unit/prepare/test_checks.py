from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirray.datasets import SOURCE_ITEMS, TRIPLETS, SourceTables, items_table, triplets_table
from cirray.errors import DataError
from cirray.prepare.checks import (
    MAX_PICTURE_BYTES,
    MAX_SPLITS,
    MAX_TEXT,
    check_items,
    check_named_splits,
    check_splits,
    check_triplets,
    drop_rejected_items,
)
from cirray.prepare.rejects import Reject


def items(*rows: tuple[str, str], splits: tuple[str, ...] = ("train",)) -> pa.Table:
    return items_table({"item_id": i, "path": path, "label": "l", "splits": list(splits)} for i, path in rows)


def triplets(*rows: tuple[str, str, str, str]) -> pa.Table:
    columns = ("query_id", "reference_id", "texts", "target_id")
    return triplets_table(dict(zip(columns, (q, r, [text], t), strict=True)) for q, r, text, t in rows)


def ids(table: pa.Table) -> list[str]:
    return list(table.columns[0].to_pylist())


def test_good_items_are_sorted_by_id() -> None:
    checked = check_items(items(("b", "1"), ("a", "2"), ("c", "0")), {"0": 5, "1": 5, "2": 5})
    assert checked.rejects == []
    assert checked.table.schema == SOURCE_ITEMS
    assert [(row["item_id"], row["path"]) for row in checked.table.to_pylist()] == [
        ("a", "2"),
        ("b", "1"),
        ("c", "0"),
    ]


def test_items_without_a_usable_id_or_file_are_rejected() -> None:
    found = check_items(
        items(("a", "good"), ("", "good"), (" ", "good"), ("a", "other"), ("b", "nowhere"), ("c", "hollow")),
        {"good": 5, "other": 5, "hollow": 0},
    )
    assert ids(found.table) == ["a"]
    assert found.rejects == [
        Reject("item", "", "empty-id", "row 1, path good"),
        Reject("item", " ", "empty-id", "row 2, path good"),
        Reject("item", "a", "duplicate-id", "other; kept was good"),
        Reject("item", "b", "missing-file", "nowhere"),
        Reject("item", "c", "empty-file", "hollow"),
    ]


@pytest.mark.parametrize(("caption", "reason"), [("caf\ufffd", "bad-encoding"), ("\x07red", "not-text")])
def test_items_whose_caption_is_no_text_are_rejected(caption: str, reason: str) -> None:
    table = items_table([{"item_id": "a", "path": "1", "caption": caption}, {"item_id": "b", "path": "1"}])
    checked = check_items(table, {"1": 1})
    assert ids(checked.table) == ["b"]
    assert [(reject.id, reject.reason) for reject in checked.rejects] == [("a", reason)]


def test_a_path_that_leaves_the_source_is_a_missing_file() -> None:
    assert [r.reason for r in check_items(items(("a", "../secret.png")), {"a.png": 1}).rejects] == ["missing-file"]


def test_two_items_may_share_a_file_and_a_label() -> None:
    assert ids(check_items(items(("a", "1"), ("b", "1")), {"1": 1}).table) == ["a", "b"]


def test_items_of_no_split_are_kept() -> None:
    assert ids(check_items(items(("a", "1"), splits=()), {"1": 1}).table) == ["a"]


def test_good_triplets_are_sorted_by_query_id() -> None:
    checked = check_triplets("train", triplets(("q2", "a", "red", "b"), ("q1", "b", "blue", "a")), {"a", "b"})
    assert checked.rejects == []
    assert checked.table.schema == TRIPLETS
    assert ids(checked.table) == ["q1", "q2"]


@pytest.mark.parametrize(
    ("row", "reject"),
    [
        (("", "a", "red", "b"), ("", "empty-id", "test: row 1")),
        (("q0", "a", "blue", "b"), ("q0", "duplicate-id", "test: row 1")),
        (("q1", "a", "", "b"), ("q1", "empty-text", "test: ''")),
        (("q1", "a", " \n", "b"), ("q1", "empty-text", "test: ''")),
        (("q1", "a", "?! …", "b"), ("q1", "text-without-words", "test: '?! …'")),
        (("q1", "a", "caf\ufffd", "b"), ("q1", "bad-encoding", "test: 'caf\ufffd'")),
        (("q1", "a", "red\x00", "b"), ("q1", "not-text", "test: 'red\\x00'")),
        (("q1", "x", "red", "b"), ("q1", "unknown-reference", "test: x")),
        (("q1", "a", "red", "x"), ("q1", "unknown-target", "test: x")),
    ],
)
def test_bad_triplets_are_rejected(row: tuple[str, str, str, str], reject: tuple[str, str, str]) -> None:
    checked = check_triplets("test", triplets(("q0", "a", "red", "b"), row), {"a", "b"})
    assert ids(checked.table) == ["q0"]
    assert checked.rejects == [Reject("triplet", *reject)]


@pytest.mark.parametrize("text", ["赤い", "rouge !", "2", "größer"])
def test_texts_of_any_script_are_texts(text: str) -> None:
    assert check_triplets("test", triplets(("q", "a", text, "a")), {"a"}).rejects == []


def test_a_second_bad_copy_of_a_query_is_a_duplicate_of_the_first() -> None:
    checked = check_triplets("test", triplets(("q", "a", "", "a"), ("q", "a", "red", "a")), {"a"})
    assert [reject.reason for reject in checked.rejects] == ["empty-text", "duplicate-id"]


def test_triplets_of_rejected_items_are_dropped() -> None:
    table = triplets(("q0", "a", "red", "b"), ("q1", "x", "red", "b"), ("q2", "a", "red", "x"))
    checked = drop_rejected_items("train", table, {"a", "b"})
    assert ids(checked.table) == ["q0"]
    assert checked.rejects == [
        Reject("triplet", "q1", "rejected-item", "train: reference x"),
        Reject("triplet", "q2", "rejected-item", "train: target x"),
    ]


NAMES = st.sampled_from(["", "a", "b", "c", "d"])


def test_targets_may_be_empty_where_a_whole_split_hides_them() -> None:
    hidden = triplets(("q1", "a", "red", ""), ("q2", "b", "blue", ""), ("q3", "x", "red", ""))
    checked = check_triplets("test", hidden, {"a", "b"})
    assert ids(checked.table) == ["q1", "q2"]
    assert checked.rejects == [Reject("triplet", "q3", "unknown-reference", "test: x")]
    kept = drop_rejected_items("test", checked.table, {"a"})
    assert ids(kept.table) == ["q1"]
    assert kept.rejects == [Reject("triplet", "q2", "rejected-item", "test: reference b")]


def test_a_single_empty_target_among_others_is_unknown() -> None:
    checked = check_triplets("train", triplets(("q1", "a", "red", "b"), ("q2", "b", "blue", "")), {"a", "b"})
    assert ids(checked.table) == ["q1"]
    assert checked.rejects == [Reject("triplet", "q2", "unknown-target", "train: ")]


@given(rows=st.lists(st.tuples(NAMES, NAMES)), sizes=st.dictionaries(NAMES, st.integers(0, 2)))
def test_each_item_is_either_kept_or_rejected_once(rows: list[tuple[str, str]], sizes: dict[str, int]) -> None:
    checked = check_items(items(*rows), sizes)
    kept = ids(checked.table)
    assert sorted(kept + [reject.id for reject in checked.rejects]) == sorted(item_id for item_id, _ in rows)
    assert kept == sorted(set(kept))
    assert set(kept) == {i for i in {i for i, _ in rows} if i and sizes.get(dict(reversed(rows))[i], 0)}


@given(rows=st.lists(st.tuples(NAMES, NAMES, st.sampled_from(["", "red", "!"]), NAMES)), known=st.sets(NAMES))
def test_each_triplet_is_either_kept_or_rejected_once(rows: list[tuple[str, str, str, str]], known: set[str]) -> None:
    checked = check_triplets("train", triplets(*rows), known)
    kept = ids(checked.table)
    assert sorted(kept + [reject.id for reject in checked.rejects]) == sorted(row[0] for row in rows)
    assert kept == sorted(set(kept))
    first = {row[0]: row for row in reversed(rows)}
    hidden = {""} if not any(row[3] for row in rows) else set()
    good = {q for q, (_, a, text, b) in first.items() if q and text == "red" and a in known and b in known | hidden}
    assert set(kept) == good


@pytest.mark.parametrize("name", ["", "a/b", "../train", ".hidden", "train set", "x" * 101])
def test_names_of_splits_must_fit_into_file_names(name: str) -> None:
    good = items(("a", "1"))
    with pytest.raises(DataError, match="A split is called"):
        check_splits(SourceTables(good, {name: triplets()}))
    with pytest.raises(DataError, match="A split is called"):
        check_splits(SourceTables(items(("a", "1"), splits=("train", name)), {}))


def test_usual_names_of_splits_are_taken() -> None:
    check_splits(SourceTables(items(("a", "1"), splits=("val.dress", "test1")), {"train_2-x": triplets()}))


def test_a_source_without_items_is_an_error() -> None:
    with pytest.raises(DataError, match="has no items"):
        check_splits(SourceTables(items(), {}))


@pytest.mark.parametrize("label", ["", " "])
def test_an_item_without_a_label_is_rejected(label: str) -> None:
    rows = [{"item_id": name, "path": "1", "label": text} for name, text in (("a", label), ("b", "l"))]
    checked = check_items(items_table(rows), {"1": 1})
    assert ids(checked.table) == ["b"]
    assert checked.rejects == [Reject("item", "a", "empty-label", "1")]


def test_a_file_that_is_no_picture_by_its_size_is_not_read() -> None:
    checked = check_items(items(("a", "1"), ("b", "2")), {"1": MAX_PICTURE_BYTES + 1, "2": MAX_PICTURE_BYTES})
    assert ids(checked.table) == ["b"]
    assert checked.rejects == [Reject("item", "a", "too-large", "1: 134,217,729 bytes")]


@pytest.mark.parametrize("column", ["path", "label"])
def test_paths_and_labels_are_texts_too(column: str) -> None:
    row = {"item_id": "a", "path": "1", "label": "l", column: "caf\ufffd"}
    (reject,) = check_items(items_table([row]), {"1": 1, "caf\ufffd": 1}).rejects
    assert reject.reason == "bad-encoding"


def test_texts_longer_than_any_are_rejected_and_not_repeated() -> None:
    long = "x" * (MAX_TEXT + 1)
    (item,) = check_items(items_table([{"item_id": "a", "path": "1", "caption": long}]), {"1": 1}).rejects
    (triplet,) = check_triplets("test", triplets(("q", "a", long, "a")), {"a"}).rejects
    assert item.reason == triplet.reason == "text-too-long"
    (bad,) = check_triplets("test", triplets(("q", "a", "\x07" * MAX_TEXT, "a")), {"a"}).rejects
    assert len(item.detail + triplet.detail + bad.detail) < 2000


@pytest.mark.parametrize(
    ("column", "reason", "gone"),
    [("other_target_ids", "unknown-target", "other target c"), ("subset_ids", "unknown-subset", "subset c")],
)
def test_without_one_of_its_further_items_a_query_would_be_another(column: str, reason: str, gone: str) -> None:
    row = {"query_id": "q", "reference_id": "a", "texts": ["red"], "target_id": "b", column: ["b", "c"]}
    assert check_triplets("val", triplets_table([row]), {"a", "b", "c"}).rejects == []
    unknown = check_triplets("val", triplets_table([row]), {"a", "b"})
    assert unknown.rejects == [Reject("triplet", "q", reason, "val: c")]
    rejected = drop_rejected_items("val", triplets_table([row]), {"a", "b"})
    assert rejected.rejects == [Reject("triplet", "q", "rejected-item", f"val: {gone}")]


def test_a_source_of_thousands_of_splits_is_refused() -> None:
    table = items_table({"item_id": str(n), "path": "1", "splits": [f"s{n}"]} for n in range(MAX_SPLITS + 1))
    with pytest.raises(DataError, match="has 1,001 splits, such as 's0'"):
        check_splits(SourceTables(table, {}))


def test_a_split_that_the_settings_name_and_no_item_has_is_told() -> None:
    tables = SourceTables(items(("a", "1"), splits=("train", "val")), {})
    check_named_splits(("val",), tables)
    with pytest.raises(DataError, match="names test, to which no item belongs; there are: train, val"):
        check_named_splits(("val", "test"), tables)
