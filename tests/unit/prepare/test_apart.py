"""A part whose pictures kill processes: real processes, which really die."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cirray.datasets import items_table
from cirray.errors import DataError
from cirray.prepare import apart
from cirray.prepare.apart import prepare_part_apart
from cirray.prepare.config import PartConfig
from cirray.prepare.known import Known
from cirray.prepare.part import PartResult, prepare_part
from cirray.prepare.plan import Part
from cirray.prepare.rejects import CRASHES_DECODER, Reject
from cirray.prepare.wire import describe_part, described_result
from cirray.storage import FileStat, Location
from tests.artifacts import plain_png
from tests.deadly_pictures import deadly_path, deadly_picture

CONFIG = PartConfig(row_group_size=4)


class Source:
    """Ten pictures, of which some are deadly and one is no picture."""

    def __init__(self, folder: Path, deadly: tuple[int, ...]) -> None:
        self.place, self.target = (Location.parse(str(folder / name)) for name in ("source", "target"))
        for number in range(10):
            data = deadly_picture(number) if number in deadly else plain_png((number, 0, 0))
            (self.place / f"{number}.png").write(b"no picture" if number == 5 else data)

    @property
    def part(self) -> Part:
        items = items_table({"item_id": f"i{n}", "path": f"{n}.png", "splits": ["train"]} for n in range(10))
        sizes = [(self.place / f"{n}.png").size() or 0 for n in range(10)]
        return Part(3, items, [FileStat(f"{n}.png", size, 0) for n, size in enumerate(sizes)], {})

    def apart(self) -> PartResult:
        return described_result(prepare_part_apart(describe_part(self.part, None), self.place, self.target, CONFIG))


@pytest.fixture
def _dying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", deadly_path(tmp_path / "deadly"))


def crash(number: int) -> Reject:
    return Reject("item", f"i{number}", CRASHES_DECODER, f"{number}.png: the process that decodes it dies of it")


@pytest.mark.usefixtures("_dying")
def test_pictures_that_kill_are_rejected_and_all_others_are_there(tmp_path: Path) -> None:
    source = Source(tmp_path, deadly=(0, 9))
    result = source.apart()
    crashes = {f"i{number}": crash(number) for number in (0, 9)}
    assert [reject for reject in result.rejects if reject.reason == CRASHES_DECODER] == list(crashes.values())
    assert [reject.reason for reject in result.rejects if reject.id == "i5"] == ["not-an-image"]
    # The same bytes as by a process that never meets the deadly ones.
    assert result == prepare_part(source.part, source.place, source.target, CONFIG, Known(rejects=crashes))


def test_a_death_that_no_picture_causes_is_no_reject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of picture 4 these processes do not die.
    source, alive = Source(tmp_path, deadly=(4,)), subprocess.Popen
    started = []

    class Unlucky(subprocess.Popen[str]):
        """The first process is killed after it has begun with two pictures."""

        def communicate(self, *given: Any, **settings: Any) -> tuple[str, str]:
            out, err = alive.communicate(self, *given, **settings)
            started.append(self)
            if len(started) == 1:
                self.returncode = -signal.SIGKILL
                return "".join(out.splitlines(keepends=True)[:2]), err
            return out, err

    monkeypatch.setattr(subprocess, "Popen", Unlucky)
    result = source.apart()
    assert result == prepare_part(source.part, source.place, source.target, CONFIG)
    assert len(started) == 4  # killed, on from there, the suspect alone, and the part itself


def test_a_process_that_never_begins_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "broken"
    (folder / "PIL").mkdir(parents=True)
    (folder / "PIL" / "__init__.py").write_text("raise ImportError('no decoder here')")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    with pytest.raises(DataError, match="failed at its start: ImportError: no decoder here"):
        Source(tmp_path, deadly=()).apart()


@pytest.mark.usefixtures("_dying")
def test_a_part_that_dies_although_each_picture_is_good_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "_deadly", lambda part, asked: [])
    with pytest.raises(DataError, match=r"prepares items/part-00003.parquet died 3 times, the last time at 4.png"):
        Source(tmp_path, deadly=(4,)).apart()


def test_what_is_wrong_with_the_source_is_told_as_ever(tmp_path: Path) -> None:
    source = Source(tmp_path, deadly=())
    described = describe_part(source.part, None)
    (source.place / "7.png").write(plain_png((1, 2, 3), (20, 20)))
    with pytest.raises(DataError, match=r"7\.png changed while it was being prepared"):
        described_result(prepare_part_apart(described, source.place, source.target, CONFIG))
