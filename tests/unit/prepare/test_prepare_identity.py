from __future__ import annotations

import inspect
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from cirray.config import override
from cirray.datasets import Source
from cirray.datasets.source import readers
from cirray.datasets.worlds import Css2d
from cirray.errors import ConfigError, DataError, UnknownNameError
from cirray.prepare import PrepareConfig, pipeline, prepare
from cirray.prepare.pipeline import draft_manifest
from cirray.storage import FileStat, Location, Root, code_fingerprint

SOURCE = Location.parse("/nowhere/source")
CONFIG = PrepareConfig.of("css-2d")
LISTING = [FileStat("a.png", 10, 1), FileStat("b.png", 20, 2)]


def digest(
    listing: list[FileStat] = LISTING,
    config: PrepareConfig = CONFIG,
    name: str = "toy",
) -> str:
    return draft_manifest(name, Source(SOURCE, tuple(listing)), config).fingerprint


@pytest.mark.parametrize(
    "listing",
    [
        LISTING[:1],
        [*LISTING, FileStat("c.png", 1, 1)],
        [LISTING[0], replace(LISTING[1], path="B.png")],
        [LISTING[0], replace(LISTING[1], bytes=21)],
        [LISTING[0], replace(LISTING[1], modified_ns=3)],
    ],
    ids=["one less", "one more", "renamed", "larger", "touched"],
)
def test_another_source_is_another_dataset(listing: list[FileStat]) -> None:
    assert digest(listing) != digest()


@pytest.mark.parametrize(
    "setting",
    ["part_rows=7", "row_group_size=7", "resize=pad", "size=77", "similar_bits=7", "drop_train_duplicates_of=[test]"],
)
def test_other_settings_are_another_dataset(setting: str) -> None:
    assert digest(config=override(CONFIG, [setting])) != digest()


def test_another_reader_or_version_of_the_code_is_another_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest()
    other = CONFIG.model_copy(update={"reader": CONFIG.reader.model_copy(update={"name": "other"})})
    assert digest(config=other) != before
    monkeypatch.setattr(pipeline, "PREPARE_VERSION", pipeline.PREPARE_VERSION + 1)
    assert digest() != before


def test_neither_name_nor_allowed_share_are_part_of_the_identity() -> None:
    assert digest(name="other") == digest(config=override(CONFIG, ["max_reject_share=0.5"])) == digest()


def test_hidden_files_are_no_part_of_a_source(tmp_path: Path) -> None:
    for path in ("images/b.png", "images/.b.png.0123", "a.txt", ".DS_Store"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    assert [file.path for file in Source.open(Location.parse(str(tmp_path))).files] == ["a.txt", "images/b.png"]


@pytest.mark.parametrize("setting", ["part_rows=0", "max_reject_share=1.5", "size=1", "resize=crop", "part_row=5"])
def test_settings_are_checked(setting: str) -> None:
    with pytest.raises(ConfigError, match=setting.partition("=")[0]):
        override(CONFIG, [setting])


def test_an_unknown_reader_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="css-2d"):
        PrepareConfig.of("css-4d")


def test_a_source_that_is_not_there_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"file:///nowhere/source has no dataset\.json"):
        prepare(Root.open(str(tmp_path)), "toy", SOURCE, CONFIG)
    assert list(tmp_path.iterdir()) == []


def test_the_room_imports_without_ray() -> None:
    code = "import sys, cirray.prepare, cirray.datasets; sys.exit('ray' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_etag_is_another_dataset_and_with_it_the_time_does_not_count() -> None:
    tagged = [FileStat("a.png", 10, 1, "e1"), FileStat("b.png", 20, 2, "e2")]
    assert digest([tagged[0], replace(tagged[1], etag="e3")]) != digest(tagged)
    assert digest([tagged[0], replace(tagged[1], modified_ns=3)]) == digest(tagged)


@pytest.mark.parametrize("module", ["cirray.datasets.readers", "cirray.datasets.pictures", "cirray.prepare.checks"])
def test_other_code_is_another_dataset(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    before = digest()

    def changed(*modules: str) -> str:
        return "changed" if module in modules else code_fingerprint(*modules)

    monkeypatch.setattr(pipeline, "code_fingerprint", changed)
    assert digest() != before


def test_the_code_of_a_reader_counts_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {
        number: type("Mine", (Css2d,), {"read": read, "__module__": __name__})
        for number, read in enumerate((lambda self, source: None, lambda self, source: 1))
    }
    monkeypatch.setattr(inspect, "getsource", lambda kind: f"source of {kind.read.__code__.co_consts}")
    monkeypatch.setitem(sys.modules, "a_notebook", ModuleType("a_notebook"))
    found = []
    for kind in kinds.values():
        kind.__module__ = "a_notebook"
        monkeypatch.setitem(readers._entries, "css-2d", kind)
        found.append(digest())
    assert found[0] != found[1]


def test_what_changed_since_it_was_listed_is_told(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).write_bytes(b"1")
    source = Source.open(Location.parse(str(tmp_path)))
    source.read("a")
    for name in ("a", "b", "d"):
        (tmp_path / name).write_bytes(b"2")
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / "c").unlink()
    assert source.changed_since(["b", "c"]) == ["a", "b", "c"]  # nobody read d


def test_what_is_made_of_a_source_is_no_part_of_it(tmp_path: Path) -> None:
    for path in ("a.png", "datasets/x.parquet", "out/runs/r", "out/datasets/x/y", "out/b.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"1")
    place = Location.parse(str(tmp_path))

    def listed(root: Location) -> list[str]:
        return [file.path for file in Source.open(place, Root(root).shelves_in(place)).files]

    assert listed(place) == ["a.png", "out/b.png", "out/datasets/x/y", "out/runs/r"]
    assert listed(place / "out") == ["a.png", "datasets/x.parquet", "out/b.png"]
    assert len(listed(Location.parse(str(tmp_path) + "-beside"))) == len(listed(Location.parse("/"))) == 5
