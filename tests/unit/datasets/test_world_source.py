from __future__ import annotations

import json
import re
from dataclasses import replace
from multiprocessing import SimpleQueue, get_context
from multiprocessing.synchronize import Barrier
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
LARGER = CssConfig(num_scenes=60)


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


def write_at_once(barrier: Barrier, uri: str, seed: int, told: SimpleQueue[tuple[int, str]]) -> None:
    barrier.wait(timeout=300)
    try:
        write_world(LARGER.model_copy(update={"seed": seed}), Location.parse(uri))
    except DataError as error:
        told.put((seed, str(error)))
    else:
        told.put((seed, ""))


@pytest.mark.parametrize("seeds", [(5, 5), (5, 6)], ids=["the same world", "different worlds"])
def test_two_writers_at_once_end_in_one_whole_world(tmp_path: Path, seeds: tuple[int, int]) -> None:
    context = get_context("spawn")
    barrier, told = context.Barrier(2), context.SimpleQueue()
    place = Location.parse(str(tmp_path / "both"))
    processes = [context.Process(target=write_at_once, args=(barrier, place.uri, seed, told)) for seed in seeds]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=400)
    assert [process.exitcode for process in processes] == [0, 0]
    found = [told.get() for _ in processes]
    written = [seed for seed, error in found if not error]
    refused = [error for _, error in found if error]
    if seeds[0] == seeds[1]:
        assert (len(written), refused) == (2, [])
    else:
        assert len(written) == 1
        assert len(refused) == 1
        assert re.search(r"other settings: seed=\d \(now \d\)\. .*another name", refused[0])
    alone = Location.parse(str(tmp_path / "alone"))
    write_world(LARGER.model_copy(update={"seed": written[0]}), alone)
    assert contents(place) == contents(alone)


def test_a_world_is_not_begun_where_another_was_left_unfinished(place: Location) -> None:
    def kill(done: int, total: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        write_world(CONFIG, place, kill)
    other = CONFIG.model_copy(update={"seed": 3})
    with pytest.raises(DataError, match=r"was given half of, a .* of other settings: seed=0 \(now 3\)"):
        write_world(other, place)
    place.delete()
    assert write_world(other, place).written


def test_a_writer_leaves_files_as_they_are_that_have_their_content(place: Location) -> None:
    write_world(CONFIG, place)
    before = {file.path: file.modified_ns for file in place.files()}
    (place / "dataset.json").delete()
    write_world(CONFIG, place)
    pictures = {file.path: file.modified_ns for file in place.files() if file.path.startswith("images/")}
    assert pictures.items() <= before.items()
