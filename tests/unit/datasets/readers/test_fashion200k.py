from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from cirray.datasets import Source, SourceTables
from cirray.datasets.readers.fashion200k import Fashion200k, Fashion200kConfig
from cirray.datasets.source import readers
from cirray.errors import DataError
from cirray.storage import Location

TRAIN, TEST, QUERIES = "labels/dress_train_detect_all.txt", "labels/dress_test_detect_all.txt", "test_queries.txt"
RED, BLUE, LONG, MUTE = (f"women/dresses/{name}/{name}_0.jpeg" for name in ("11", "12", "13", "14"))
OLD = "women/dresses/casual/9/9_0.jpeg"

FILES: dict[str, Any] = {
    TRAIN: f"{OLD}\t0.91\t  black dress no. 5 & belt \n",
    TEST: f"{RED}\t0.9\tred dress\n{BLUE}\t0.8\tblue dress\n{LONG}\t0.7\tred dress\n{MUTE}\t0.6\t\n",
    QUERIES: f"{RED} {BLUE}\n{BLUE}\t{LONG}\n",
    **dict.fromkeys((OLD, RED, BLUE, MUTE), b"picture"),
    LONG.replace(".jpeg", ".jpg"): b"picture",
}


def read(source: Source, **settings: Any) -> SourceTables:
    return Fashion200k(Fashion200kConfig(**{"categories": ("dress",), **settings})).read(source)


def test_it_is_registered() -> None:
    assert readers["fashion200k"] is Fashion200k


def test_captions_are_labels_in_tirgs_spelling(write_source: Any, rejects: Any) -> None:
    source = write_source(FILES)
    tables = read(source)
    rows = {row["item_id"]: row for row in tables.items.to_pylist()}
    assert rows[OLD]["caption"] == rows[OLD]["label"] == "black dress nodotmark 5 andmark belt"
    assert rows[RED]["label"] == rows[LONG]["label"] == "red dress"
    assert (rows[MUTE]["caption"], rows[MUTE]["label"]) == ("", MUTE), "without a caption it is like no other"
    assert {path: row["splits"] for path, row in rows.items()} == {
        OLD: ["train"],
        **{path: ["test"] for path in (RED, BLUE, LONG, MUTE)},
    }
    assert rows[LONG]["path"] == LONG.replace(".jpeg", ".jpg")
    assert {row["category"] for row in rows.values()} == {"dress"}
    assert rejects(tables, source) == []


def test_test_queries_say_what_to_replace(write_source: Any) -> None:
    tables = read(write_source(FILES))
    assert list(tables.triplets) == ["test"]
    columns = ["query_id", "reference_id", "texts", "target_id", "category"]
    assert [tuple(row.values()) for row in tables.triplets["test"].select(columns).to_pylist()] == [
        ("test-00000", RED, ["replace red with blue"], BLUE, "dress"),
        ("test-00001", BLUE, ["replace blue with red"], LONG, "dress"),
    ]


def test_the_training_split_needs_no_queries(write_source: Any) -> None:
    files = {path: content for path, content in FILES.items() if path not in (TEST, QUERIES)}
    tables = read(write_source(files), splits=("train",))
    assert (tables.items.num_rows, tables.triplets) == (1, {})


def test_broken_lines_are_rejected_with_their_place(write_source: Any, rejects: Any) -> None:
    lines = FILES[TEST] + f"no tabs at all\n\t0.5\tno picture\n{RED}\t0.9\ttwice\n\n"
    queries = (
        FILES[QUERIES] + f"{RED}\n{RED} {BLUE} {LONG}\nwomen/none.jpeg {RED}\n{RED} women/none.jpeg\n{MUTE} {RED}"
    )
    source = write_source({**FILES, TEST: lines, QUERIES: queries})
    found = rejects(read(source), source)
    assert [(reject.id, reject.reason) for reject in found] == [
        ("", "empty-id"),
        ("", "empty-id"),
        (RED, "duplicate-id"),
        ("test-00002", "unknown-reference"),
        ("test-00003", "unknown-reference"),
        ("test-00004", "unknown-reference"),
        ("test-00005", "unknown-target"),
        ("test-00006", "empty-text"),
    ]
    assert f"{TEST}:5 has 1 cells" in found[0].detail
    assert f"{TEST}:6: the picture is empty" in found[1].detail
    assert f"{QUERIES}:3 has 1 paths" in found[3].detail


@pytest.mark.parametrize(
    ("path", "content"), [(TEST, "a,b,c\n"), (TEST, ""), (TRAIN, b"\xff\xfe"), (QUERIES, b"\xff\xfe")]
)
def test_a_file_of_another_layout_is_an_error_that_names_it(write_source: Any, path: str, content: Any) -> None:
    with pytest.raises(DataError, match=path):
        read(write_source({**FILES, path: content}))


@pytest.mark.parametrize("path", [TRAIN, TEST, QUERIES])
def test_a_missing_file_is_an_error_that_names_it(write_source: Any, path: str) -> None:
    with pytest.raises(DataError, match=path):
        read(write_source({name: content for name, content in FILES.items() if name != path}))


def test_real_captions_in_the_official_layout(shared_data: Path, tmp_path: Path, gallery_sizes: Any) -> None:
    """The real paths and captions, written as label files by category and split."""
    labels: dict[tuple[str, str], list[str]] = defaultdict(list)
    for item in json.loads((shared_data / "fashion200k_captions" / "manifest.json").read_bytes())["items"]:
        labels[item["category"], item["split"]].append(f"{item['id']}\t0.9\t{item['title']}\n")
    (tmp_path / "labels").mkdir()
    for (category, split), lines in labels.items():
        (tmp_path / "labels" / f"{category}_{split}_detect_all.txt").write_text("".join(lines))
    (tmp_path / QUERIES).write_text("")
    tables = Fashion200k(Fashion200kConfig()).read(Source.open(Location.parse(str(tmp_path))))
    assert gallery_sizes(tables) == {key: len(lines) for key, lines in labels.items()}
    assert tables.items.num_rows == 5_000
    assert len(set(tables.items["label"].to_pylist())) == 4_540
