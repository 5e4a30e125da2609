from __future__ import annotations

from pathlib import Path

import pytest

from cirray.datasets.readers.mit_states import (
    TEST_NOUNS,
    MitStates,
    MitStatesCompositions,
    MitStatesCompositionsConfig,
    MitStatesConfig,
)
from cirray.datasets.source import Source, SourceTables
from cirray.errors import DataError
from cirray.storage import Location

FOLDERS = {
    "ripe tomato": 2,
    "sliced tomato": 3,
    "moldy tomato": 1,
    "old car": 2,
    "new car": 2,
    "wet dog": 1,  # the only state of its noun: nothing to ask for
    "adj tomato": 2,
    "adj car": 1,
}


def write(root: Path, folders: dict[str, int] = FOLDERS, separator: str = " ") -> Source:
    for folder, count in folders.items():
        for index in range(count):
            path = root / "images" / folder.replace(" ", separator) / f"{index}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
    (root / "images" / "readme.txt").write_text("not a picture")
    (root / "adj_ants.csv").write_text("not a picture either")
    return Source.open(Location.parse(str(root)))


def retrieval(source: Source, seed: int = 0) -> SourceTables:
    return MitStates(MitStatesConfig(seed=seed)).read(source)


def test_forty_nine_nouns_are_for_testing() -> None:
    assert len(TEST_NOUNS) == 49
    assert {"armor", "tomato", "wool"} <= TEST_NOUNS
    assert "car" not in TEST_NOUNS


def test_items_are_split_by_noun_and_those_without_state_are_left_out(tmp_path: Path) -> None:
    items = retrieval(write(tmp_path)).items.to_pylist()
    assert len(items) == 11
    assert items[0] == {
        "item_id": "moldy tomato/0.jpg",
        "path": "images/moldy tomato/0.jpg",
        "label": "moldy tomato",
        "caption": "moldy tomato",
        "category": "tomato",
        "attributes": ["moldy"],
        "splits": ["test"],
    }
    assert {row["category"]: row["splits"] for row in items} == {
        "tomato": ["test"],
        "car": ["train"],
        "dog": ["train"],
    }


def test_each_picture_asks_for_each_other_state_of_its_noun(tmp_path: Path) -> None:
    tables = retrieval(write(tmp_path))
    label = {row["item_id"]: row["label"] for row in tables.items.to_pylist()}
    for split, noun in [("test", "tomato"), ("train", "car")]:
        rows = tables.triplets[split].to_pylist()
        states = {name.split()[0] for name in FOLDERS if name.endswith(noun)} - {"adj"}
        expected = {
            (item, state)
            for item, name in label.items()
            for state in states
            if name.endswith(noun) and name.split()[0] != state
        }
        assert {(row["reference_id"], row["texts"][0]) for row in rows} == expected
        assert len(rows) == len({row["query_id"] for row in rows}) == len(expected)
        assert all(label[row["target_id"]] == f"{row['texts'][0]} {noun}" for row in rows)
    assert tables.triplets["test"].num_rows == 2 * 2 + 3 * 2 + 1 * 2


def test_targets_depend_on_the_seed_alone(tmp_path: Path) -> None:
    source = write(tmp_path, {"ripe tomato": 40, "sliced tomato": 40})
    first, again, other = (retrieval(source, seed).triplets["test"] for seed in (0, 0, 1))
    assert first == again
    assert first["target_id"].to_pylist() != other["target_id"].to_pylist()
    assert len(set(first["target_id"].to_pylist())) > 20


def test_underscores_are_spaces(tmp_path: Path) -> None:
    items = retrieval(write(tmp_path, separator="_")).items.to_pylist()
    assert items[0]["item_id"] == "moldy tomato/0.jpg"
    assert items[0]["path"] == "images/moldy_tomato/0.jpg"


def test_a_source_without_such_folders_is_an_error(tmp_path: Path) -> None:
    source = write(tmp_path, {"adj tomato": 1, "tomato": 1})
    with pytest.raises(DataError, match="no pictures in folders images/<adjective> <noun>"):
        retrieval(source)


def compositions(root: Path, train: str, test: str, folder: str = "compositional-split") -> SourceTables:
    (root / folder).mkdir()
    (root / folder / "train_pairs.txt").write_text(train)
    (root / folder / "test_pairs.txt").write_text(test)
    config = MitStatesCompositionsConfig(split_folder=folder)
    return MitStatesCompositions(config).read(write(root, separator="_"))


def test_compositions_are_split_by_the_lists(tmp_path: Path) -> None:
    tables = compositions(tmp_path, "ripe tomato\nold car\n\n", "sliced tomato\nnew car\nwet dog\n", "other-split")
    assert tables.triplets == {}
    found = {row["label"]: row["splits"] for row in tables.items.to_pylist()}
    assert found == {
        "ripe tomato": ["train"],
        "old car": ["train"],
        "sliced tomato": ["test"],
        "new car": ["test"],
        "wet dog": ["test"],
        "moldy tomato": [],
    }


def test_a_line_that_is_no_pair_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train_pairs\.txt, line 2, is not 'adjective noun' but 'tomato'"):
        compositions(tmp_path, "ripe tomato\ntomato\n", "new car\n")


def test_a_pair_in_both_lists_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'old car' is in the lists of both train and test"):
        compositions(tmp_path, "old car\n", "old car\n")


def test_missing_lists_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file compositional-split/train_pairs\.txt"):
        MitStatesCompositions(MitStatesCompositionsConfig()).read(write(tmp_path))
