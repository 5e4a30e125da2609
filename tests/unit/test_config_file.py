"""Settings from a file, and from the command line on top of it."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from cirray.cli.app import run
from cirray.config_file import parse_mapping
from cirray.datasets import Source
from cirray.errors import CirrayError, ConfigError
from cirray.prepare import PrepareConfig
from cirray.storage import Location


@pytest.mark.parametrize("data", [b"part_rows: 3\n", b'{"part_rows": 3}', b"# nothing else\npart_rows: 3"])
def test_yaml_and_json_are_read(data: bytes) -> None:
    assert PrepareConfig.of("css-2d", parse_mapping(data, "x")).part_rows == 3


def test_an_empty_file_changes_nothing() -> None:
    assert PrepareConfig.of("css-2d", parse_mapping(b"", "x")) == PrepareConfig.of("css-2d")


BOMB = "a: &a [1]\n" + "".join(f"{c}: &{c} [{', '.join(9 * [f'*{b}'])}]\n" for b, c in pairwise("abcdefghijklmno"))
NO_SETTINGS = [
    *(BOMB.encode(), b"a: &a [*a]"),
    *(b"a: [", b"\xff\xfe\x00", b"- 1", b"3", b"day: 2020-01-01", b"a: !!python/name:os.path"),
]


@pytest.mark.parametrize("data", NO_SETTINGS)
def test_what_holds_no_settings_is_told(data: bytes) -> None:
    with pytest.raises(ConfigError, match="the-file"):
        parse_mapping(data, "the-file")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"part_row": 3}, "part_rows"),
        ({"reader": {"name": "css-2d"}}, "asked for was 'catalog'"),
        ({"reader": [1]}, "no mapping"),
        ({"reader": {"captoin": "x"}}, "caption"),
    ],
)
def test_settings_that_do_not_fit_are_told(settings: dict[str, object], says: str) -> None:
    with pytest.raises(CirrayError, match=says):
        PrepareConfig.of("catalog", settings)


def test_the_verb_takes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.yaml").write_text("reader: {table: nowhere.csv}")
    command = ["prepare", "catalog", "--root", str(tmp_path), "--config", str(tmp_path / "c.yaml")]
    assert run(command) == 2
    assert "no file nowhere.csv" in capsys.readouterr().err
    assert run([*command, "--set", "reader.table=other.csv"]) == 2
    assert "no file other.csv" in capsys.readouterr().err
    assert run([*command[:-1], str(tmp_path / "gone.yaml")]) == 2
    assert "gone.yaml" in capsys.readouterr().err


def test_a_listing_follows_links_but_never_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "source" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.jpg").write_bytes(b"b")
    (tmp_path / "source" / "deep" / "a.jpg").write_bytes(b"a")
    for name in ("one", "two", "three"):
        os.symlink("..", tmp_path / "source" / "deep" / name)
    os.symlink(tmp_path / "elsewhere", tmp_path / "source" / "linked")
    os.symlink("x", tmp_path / "source" / "x")
    (tmp_path / "source" / os.fsdecode(b"caf\xe9")).write_bytes(b"c")
    found = Source.open(Location.parse(str(tmp_path / "source"))).files
    assert [file.path for file in found] == ["caf\ufffd", "deep/a.jpg", "linked/b.jpg"]
