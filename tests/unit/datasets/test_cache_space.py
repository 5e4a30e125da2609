"""The bound of a node's caches: who goes first, who stays, and what a killed filler leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cirray.datasets import PreparedDataset, open_pixels
from cirray.datasets.cache_space import CACHE_VARIABLE, LIMIT_VARIABLE, CacheFullError, CacheSpace
from cirray.errors import ConfigError, StorageError


@pytest.fixture
def space(tmp_path: Path) -> CacheSpace:
    return CacheSpace(tmp_path, limit=1000)


def put(space: CacheSpace, name: str, size: int, used_at: int) -> None:
    space.lease(name.split(".")[0]).close()
    with space.create(name, size) as file:
        file.write(b"x" * size)
    os.utime(space.folder / f"{name.split('.')[0]}.use", (used_at, used_at))


def names(space: CacheSpace) -> set[str]:
    return {path.name for path in space.folder.iterdir() if path.suffix not in (".use", ".lock")}


def test_the_cache_that_was_used_longest_ago_goes_first(space: CacheSpace) -> None:
    for name, used_at in (("a.1", 30), ("b.1", 10), ("c.1", 20)):
        put(space, name, 300, used_at)
    put(space, "d.1", 300, 40)
    assert names(space) == {"a.1", "c.1", "d.1"}
    put(space, "e.1", 600, 50)
    assert names(space) == {"d.1", "e.1"}
    assert space.used() <= 1000


def test_a_group_goes_as_a_whole(space: CacheSpace) -> None:
    put(space, "a.1", 300, 10)
    put(space, "a.2", 300, 20)
    put(space, "b.1", 300, 30)
    put(space, "c.1", 200, 40)
    assert names(space) == {"b.1", "c.1"}


def test_a_cache_in_use_stays(space: CacheSpace) -> None:
    put(space, "a.1", 600, 10)
    put(space, "b.1", 300, 20)
    lease = space.lease("a")
    os.utime(space.folder / "a.use", (1, 1))
    put(space, "c.1", 300, 30)
    assert names(space) == {"a.1", "c.1"}
    with pytest.raises(CacheFullError, match=rf"needs 900 bytes.*caches in use take 600.*1,000.*{LIMIT_VARIABLE}"):
        put(space, "d.1", 900, 40)
    assert names(space) == {"a.1"}
    lease.close()
    put(space, "d.1", 900, 50)
    assert names(space) == {"d.1"}


def test_a_cache_that_is_larger_than_the_bound_is_refused_and_evicts_nothing(space: CacheSpace) -> None:
    put(space, "a.1", 300, 10)
    with pytest.raises(CacheFullError, match=rf"needs 1,001 bytes.*may take 1,000.*{LIMIT_VARIABLE}"):
        put(space, "b.1", 1001, 20)
    assert names(space) == {"a.1"}


FILLER = """
import sys
from pathlib import Path
from cirray.datasets.cache_space import CacheSpace
with CacheSpace(Path(sys.argv[1]), 1000).create("a.1", 900) as file:
    print("filling", flush=True)
    sys.stdin.read()
"""


def test_what_a_living_filler_has_begun_counts_and_what_a_killed_one_left_is_removed(space: CacheSpace) -> None:
    arguments = [sys.executable, "-c", FILLER, str(space.folder)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as filler:
        assert filler.stdout is not None
        assert filler.stdout.readline() == "filling\n"
        assert space.used() == 900
        with pytest.raises(CacheFullError):
            put(space, "b.1", 200, 10)
        filler.send_signal(signal.SIGKILL)
        filler.wait()
    assert space.used() == 900
    put(space, "b.1", 200, 10)
    assert names(space) == {"b.1"}


def test_the_bound_is_taken_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRRAY_CACHE_DIR", str(tmp_path / "new"))
    monkeypatch.setenv(LIMIT_VARIABLE, "2000")
    assert CacheSpace.of_node() == CacheSpace(tmp_path / "new", 2000)
    monkeypatch.setenv(LIMIT_VARIABLE, "much")
    with pytest.raises(ConfigError, match=f"{LIMIT_VARIABLE} is 'much'"):
        CacheSpace.of_node()


def test_a_folder_in_the_temporary_one_that_is_somebody_elses_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(StorageError, match="belongs to user"):
        CacheSpace.of_node()


def test_a_damaged_cache_is_an_error_of_the_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_dataset: Callable[..., PreparedDataset]
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    dataset = make_dataset(3)
    open_pixels(dataset, (4, 4)).close()
    (cached,) = (tmp_path / "cache").glob("*.npy")
    os.truncate(cached, 130)
    with pytest.raises(StorageError, match="pixel cache"):
        open_pixels(dataset, (4, 4))
