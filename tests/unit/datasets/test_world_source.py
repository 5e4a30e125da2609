from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cirray.datasets import SOURCE_ITEMS, TRIPLETS, Source, decode, write_world
from cirray.datasets.css import CssConfig, generate, render
from cirray.datasets.worlds import Css2d, Css2dConfig, worlds
from cirray.errors import DataError
from cirray.storage import FileStat, Location, table_bytes

CONFIG = CssConfig(num_scenes=8, references_per_modification=2, image_size=32)


class Killed(BaseException):
    pass


@pytest.fixture
def place(tmp_path: Path) -> Location:
    return Location.parse(str(tmp_path / "raw" / "css-2d"))


def contents(place: Location) -> dict[str, bytes]:
    return {file.path: (place / file.path).read() for file in place.files()}


def test_everything_is_written_and_counted(place: Location) -> None:
    result = write_world(CONFIG, place)
    worlds = [generate(CONFIG, split) for split in ("train", "test")]
    assert result.written
    assert result.counts == {
        "items": sum(len(world.scenes) for world in worlds),
        **{f"items_{world.split}": len(world.scenes) for world in worlds},
        **{f"triplets_{world.split}": len(world.queries) for world in worlds},
    }
    paths = [file.path for file in place.files()]
    assert sum(path.startswith("images/") for path in paths) == result.counts["items"]
    assert [path for path in paths if "/" not in path] == [
        "dataset.json",
        "items.parquet",
        "triplets-test.parquet",
        "triplets-train.parquet",
    ]


def test_the_reader_gives_back_the_world(place: Location) -> None:
    write_world(CONFIG, place)
    tables = Css2d(Css2dConfig()).read(Source.open(place))
    assert tables.items.schema == SOURCE_ITEMS
    assert {split: table.schema for split, table in tables.triplets.items()} == {"train": TRIPLETS, "test": TRIPLETS}
    for split in ("train", "test"):
        world = generate(CONFIG, split)
        items = [row for row in tables.items.to_pylist() if row["splits"] == [split]]
        assert [row["label"] for row in items] == list(world.labels)
        for row, scene in zip(items, world.scenes, strict=True):
            pixels = np.asarray(decode((place / row["path"]).read()))
            np.testing.assert_array_equal(pixels, render(scene, CONFIG.image_size))
        index = {row["item_id"]: i for i, row in enumerate(items)}
        found = [
            (index[row["reference_id"]], row["texts"], index[row["target_id"]])
            for row in tables.triplets[split].to_pylist()
        ]
        assert found == [(query.reference, [query.text], query.target) for query in world.queries]


def test_the_same_world_is_not_written_twice(place: Location) -> None:
    first = write_world(CONFIG, place)
    before = list(place.files())
    second = write_world(CONFIG, place, lambda done, total: pytest.fail("something was written"))
    assert not second.written
    assert second.counts == first.counts
    assert list(place.files()) == before


def test_the_same_settings_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = (Location.parse(str(tmp_path / name)) for name in ("one", "other"))
    write_world(CONFIG, one)
    write_world(CONFIG, other)
    assert contents(one) == contents(other)


def test_another_world_is_not_overwritten(place: Location) -> None:
    write_world(CONFIG, place)
    before: list[FileStat] = list(place.files())
    with pytest.raises(DataError, match=r"other settings: num_scenes=8 \(now 9\), seed=0 \(now 3\)\. .*another name"):
        write_world(CONFIG.model_copy(update={"seed": 3, "num_scenes": 9}), place)
    assert list(place.files()) == before


def test_a_world_of_an_older_generator_is_another_world(place: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    write_world(CONFIG, place)
    newer = replace(worlds["css-2d"], version=9)
    monkeypatch.setattr("cirray.datasets.worlds.source.world_of", lambda config: newer)
    with pytest.raises(DataError, match=r"version=2 \(now 9\)"):
        write_world(CONFIG, place)


def test_progress_ends_with_all_pictures(place: Location) -> None:
    calls: list[tuple[int, int]] = []
    counts = write_world(CONFIG, place, lambda done, total: calls.append((done, total))).counts
    assert calls[-1] == (counts["items"], counts["items"])
    assert calls == sorted(calls)


def test_a_writer_that_was_killed_leaves_nothing_readable_and_can_run_again(place: Location, tmp_path: Path) -> None:
    def kill(done: int, total: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        write_world(CONFIG, place, kill)
    assert any(place.files())
    with pytest.raises(DataError, match=r"no dataset.json: its generation was not finished.*cirray generate css-2d"):
        Css2d(Css2dConfig()).read(Source.open(place))
    assert write_world(CONFIG, place).written
    whole = Location.parse(str(tmp_path / "whole"))
    write_world(CONFIG, whole)
    assert contents(place) == contents(whole)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        (b"{", r"does not describe a CSS-2D source\."),
        (b"[]", r"does not describe a CSS-2D source\."),
        (json.dumps({"reader": "fashioniq"}).encode(), "but one for reader 'fashioniq'"),
    ],
)
def test_a_marker_of_something_else_is_an_error(place: Location, marker: bytes, message: str) -> None:
    (place / "dataset.json").write(marker)
    with pytest.raises(DataError, match=message):
        write_world(CONFIG, place)
    with pytest.raises(DataError, match=message):
        Css2d(Css2dConfig()).read(Source.open(place))


def test_a_table_that_lacks_a_column_is_an_error(place: Location) -> None:
    write_world(CONFIG, place)
    table = pq.read_table((place / "triplets-test.parquet").path)
    (place / "triplets-test.parquet").write(table_bytes(table.drop_columns("texts")))
    with pytest.raises(DataError, match=r"triplets-test\.parquet lacks the columns texts"):
        Css2d(Css2dConfig()).read(Source.open(place))
