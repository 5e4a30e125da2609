"""Streams give what the cache gives, bit for bit, and ask for parts, not for rows."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cirray.datasets import PreparedDataset, open_pixels, open_source
from cirray.datasets.cache_space import CACHE_VARIABLE, LIMIT_VARIABLE, CacheFullError, CacheSpace
from cirray.datasets.mirror import Mirror
from cirray.datasets.streaming import PixelStream
from cirray.errors import BadImageError, StorageError

MakeDataset = Callable[..., PreparedDataset]
SIZE = (5, 7)
ITEMS = 20


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows with each part that is read from the dataset."""
    calls: list[str] = []
    part = PreparedDataset.part

    def counting(self: PreparedDataset, name: str, *rest: Any) -> Any:
        calls.append(name)
        return part(self, name, *rest)

    monkeypatch.setattr(PreparedDataset, "part", counting)
    return calls


def stream(dataset: PreparedDataset, **settings: Any) -> PixelStream:
    return PixelStream(dataset, SIZE, Mirror(dataset, CacheSpace.of_node()), **settings)


def batches(count: int, size: int, seed: int = 0) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, ITEMS, size) for _ in range(count)]


@given(
    st.lists(st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=9), max_size=8),
    st.sampled_from([1, 500, 1 << 20]),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_stream_gives_what_the_cache_gives(make_dataset: MakeDataset, wanted: list[list[int]], window: int) -> None:
    dataset = make_dataset(ITEMS)
    rows = [np.array(each, dtype=np.int64) for each in wanted]
    expected = open_pixels(dataset, SIZE).pixels
    found = list(stream(dataset, window_bytes=window).batches(rows))
    assert len(found) == len(rows)
    for pixels, each in zip(found, rows, strict=True):
        np.testing.assert_array_equal(pixels, expected[each])


def test_each_part_is_fetched_once_a_node(make_dataset: MakeDataset, reads: list[str]) -> None:
    dataset = make_dataset(ITEMS)
    for _ in range(2):  # as two workers would
        list(stream(dataset, window_bytes=1).batches(batches(10, 6)))
    assert sorted(reads) == dataset.item_parts


def test_parts_that_do_not_fit_are_asked_for_once_a_window(
    make_dataset: MakeDataset, reads: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset(ITEMS)
    expected = open_pixels(dataset, SIZE).pixels[:].copy()
    gc.collect()
    shutil.rmtree(cache)
    monkeypatch.setenv(LIMIT_VARIABLE, "3000")
    reads.clear()
    rows = batches(30, 6)
    for pixels, each in zip(stream(dataset, window_bytes=1 << 20).batches(rows), rows, strict=True):
        np.testing.assert_array_equal(pixels, expected[each])
    assert sum(path.stat().st_size for path in cache.iterdir()) <= 3000
    assert len(reads) <= len(dataset.item_parts)
    mirrored = len(list(cache.glob("*.arrow")))
    assert 0 < mirrored < len(dataset.item_parts)


def test_pictures_are_decoded_before_they_are_asked_for(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cirray.datasets import pictures, streaming

    decoded, second = [], threading.Event()

    def watched(data: bytes) -> Any:
        decoded.append(data)
        if len(set(decoded)) == 2:
            second.set()
        return pictures.decode(data)

    monkeypatch.setattr(streaming, "decode", watched)
    found = stream(make_dataset(ITEMS)).batches(np.array([row]) for row in range(ITEMS))
    next(found)
    assert second.wait(10)
    found.close()  # type: ignore[attr-defined]
    assert len(decoded) < ITEMS


def test_a_picture_that_cannot_be_decoded_is_an_error(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cirray.datasets import streaming

    def refuse(data: bytes) -> None:
        raise BadImageError("no picture")

    monkeypatch.setattr(streaming, "decode", refuse)
    with pytest.raises(BadImageError):
        list(stream(make_dataset(ITEMS)).batches(batches(3, 4)))


def test_what_does_not_fit_the_cache_is_streamed(
    make_dataset: MakeDataset, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, rows = make_dataset(ITEMS), np.array([3, 1, 3])
    cached = open_source(dataset, SIZE)
    assert cached.kind == "cache"
    expected = cached[rows]
    monkeypatch.setenv(LIMIT_VARIABLE, "3000")
    larger = open_source(dataset, (50, 70))
    assert larger.kind == "stream"
    assert "is streamed" in caplog.text or "are streamed" in caplog.text
    with pytest.raises(CacheFullError, match=LIMIT_VARIABLE):
        open_source(dataset, (50, 70), "cache")
    streamed = open_source(dataset, SIZE, "stream")
    assert streamed.kind == "stream"
    np.testing.assert_array_equal(streamed[rows], expected)
    for source in (cached, larger, streamed):
        source.close()


KILLED = """
import os, signal, sys
from cirray.datasets import PreparedDataset, open_pixels
from cirray.storage import Artifact, Location
dataset = PreparedDataset(Artifact.open(Location.parse(sys.argv[1]), "dataset"))
open_pixels(dataset, (5, 7), lambda done, total: os.kill(os.getpid(), signal.SIGKILL) if done == 2 else None)
"""


def test_after_a_filler_was_killed_the_next_one_fills_and_leaves_nothing_else(
    make_dataset: MakeDataset, cache: Path
) -> None:
    dataset = make_dataset(ITEMS)
    environment = {**os.environ, CACHE_VARIABLE: str(cache)}
    ended = subprocess.run([sys.executable, "-c", KILLED, dataset.artifact.place.path], env=environment)
    assert ended.returncode == -signal.SIGKILL
    assert len(list(cache.glob("*.partial"))) == 1
    found = open_pixels(dataset, SIZE)
    assert {path.suffix for path in cache.iterdir()} == {".npy", ".use", ".lock"}
    np.testing.assert_array_equal(found.pixels, stream(dataset)[np.arange(ITEMS)])


def test_a_disk_that_fills_up_meanwhile_is_one_on_which_nothing_fits(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset(ITEMS)
    rows = batches(5, 6)
    expected = [pixels.copy() for pixels in stream(dataset).batches(rows)]
    shutil.rmtree(os.environ[CACHE_VARIABLE])

    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    for pixels, each in zip(stream(dataset).batches(rows), expected, strict=True):
        np.testing.assert_array_equal(pixels, each)
    with pytest.raises(StorageError, match="No space left"):
        open_pixels(dataset, SIZE)


def test_a_cache_folder_that_cannot_be_made_is_an_error_for_streams_too(
    make_dataset: MakeDataset, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_text("a file, where a folder should be")
    with pytest.raises(StorageError, match=CACHE_VARIABLE):
        open_source(make_dataset(ITEMS), SIZE, "stream")
