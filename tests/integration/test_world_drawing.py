"""Draws the pictures of a world by a real Ray, in a folder and in a real object store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cirray.datasets import write_world
from cirray.datasets.cci import CciConfig
from cirray.datasets.worlds import worlds
from cirray.errors import StorageError
from cirray.prepare import drawing
from cirray.prepare.drawing import draw_in_ray, spread
from cirray.storage import Location

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

CONFIG = CciConfig(rounds=2, changes=5)


def contents(place: Location) -> dict[str, bytes]:
    return {file.path: (place / file.path).read() for file in place.files()}


def test_ray_draws_the_bytes_that_one_process_draws(
    place_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "PICTURES_PER_TASK", 8)
    spread_out, alone = Location.parse(f"{place_uri}/spread"), Location.parse(str(tmp_path / "alone"))
    calls: list[tuple[int, int]] = []
    write_world(CONFIG, spread_out, lambda done, total: calls.append((done, total)), draw_in_ray)
    assert calls[-1] == (31, 31)
    assert len(calls) == 4
    write_world(CONFIG, alone)
    assert contents(spread_out) == contents(alone)


def test_a_place_that_cannot_be_written_is_one_plain_error_and_leaves_no_marker(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        write_world(CONFIG, Location.parse(str(tmp_path)), draw=draw_in_ray)
    assert not (tmp_path / "dataset.json").exists()


def test_only_long_work_is_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    monkeypatch.setattr(drawing, "draw_in_ray", lambda *_: used.append("ray"))
    monkeypatch.setattr(drawing, "draw_here", lambda *_: used.append("here"))
    pictures = worlds["cci"].plan(CONFIG).pictures
    place = Location.parse("unused")
    spread(worlds["cci"])(place, pictures, lambda count: None)
    spread(replace(worlds["cci"], seconds_per_picture=10))(place, pictures, lambda count: None)
    assert used == ["here", "ray"]
