from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from cirray.datasets import PreparedDataset, decode, open_pixels, pixels, to_pixels
from cirray.datasets.cache_space import CACHE_VARIABLE, cache_folder
from cirray.errors import BadImageError, StorageError

MakeDataset = Callable[..., PreparedDataset]
SIZE = (5, 7)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by one with every picture that is decoded."""
    calls: list[int] = []

    def counting(data: bytes) -> Image.Image:
        calls.append(len(data))
        return decode(data)

    monkeypatch.setattr(pixels, "decode", counting)
    return calls


def test_row_i_is_item_i(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(8)
    found = open_pixels(dataset, SIZE).pixels
    assert found.shape == (8, *SIZE, 3)
    assert found.dtype == np.uint8
    for row, item_id in enumerate(dataset.items["item_id"].to_pylist()):
        np.testing.assert_array_equal(found[row], to_pixels(decode(dataset.image(item_id)), *SIZE))


def test_the_cache_is_mapped_and_cannot_be_changed(make_dataset: MakeDataset) -> None:
    found = open_pixels(make_dataset(), SIZE).pixels
    assert isinstance(found, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 0


def test_pictures_are_decoded_once(make_dataset: MakeDataset, decoded: list[int]) -> None:
    dataset = make_dataset(8)
    first = open_pixels(dataset, SIZE).pixels
    assert len(decoded) == 8
    np.testing.assert_array_equal(open_pixels(dataset, SIZE).pixels, first)
    assert len(decoded) == 8


def test_sizes_and_datasets_have_caches_of_their_own(make_dataset: MakeDataset) -> None:
    one, other = make_dataset(4, name="one", seed=1), make_dataset(4, name="other", seed=2)
    assert open_pixels(one, (2, 3)).pixels.shape == (4, 2, 3, 3)
    assert open_pixels(one, (3, 2)).pixels.shape == (4, 3, 2, 3)
    assert not np.array_equal(open_pixels(one, (2, 3)).pixels, open_pixels(other, (2, 3)).pixels)


def test_equal_content_shares_a_cache(make_dataset: MakeDataset, decoded: list[int]) -> None:
    open_pixels(make_dataset(4, name="here", seed=1), SIZE)
    open_pixels(make_dataset(4, name="there", seed=1), SIZE)
    assert len(decoded) == 4


def test_progress_counts_parts(make_dataset: MakeDataset) -> None:
    calls: list[tuple[int, int]] = []
    open_pixels(make_dataset(8), SIZE, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_who_comes_second_waits_for_the_first(make_dataset: MakeDataset, decoded: list[int]) -> None:
    dataset = make_dataset(8)
    start = threading.Barrier(4)

    def fill() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        start.wait(10)
        return open_pixels(dataset, SIZE).pixels

    with ThreadPoolExecutor(4) as pool:
        found = [future.result(30) for future in [pool.submit(fill) for _ in range(4)]]
    assert len(decoded) == 8
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_a_filler_that_fails_leaves_nothing(make_dataset: MakeDataset, cache: Path, decoded: list[int]) -> None:
    dataset = make_dataset(8)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_pixels(dataset, SIZE, stop)
    assert {path.suffix for path in cache.iterdir()} <= {".lock", ".use"}
    assert open_pixels(dataset, SIZE).pixels[7].any()


def test_what_a_killed_filler_left_is_not_opened(make_dataset: MakeDataset, cache: Path) -> None:
    dataset = make_dataset(4)
    complete = np.array(open_pixels(dataset, SIZE).pixels)
    [target] = cache.glob("*.npy")
    target.rename(cache / "0123abcd.partial")
    (cache / "0123abcd.partial").write_bytes(b"half of it")
    np.testing.assert_array_equal(open_pixels(dataset, SIZE).pixels, complete)


def test_a_picture_that_cannot_be_decoded_is_an_error(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(data: bytes) -> Image.Image:
        raise BadImageError("no picture")

    monkeypatch.setattr(pixels, "decode", refuse)
    with pytest.raises(BadImageError):
        open_pixels(make_dataset(), SIZE)


def test_too_little_room_is_an_error_that_says_how_much(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1000, 1000, 100))
    with pytest.raises(StorageError, match=rf"needs 968 bytes, where.*may take 80.*{CACHE_VARIABLE}"):
        open_pixels(make_dataset(8), SIZE)


def test_a_cache_folder_that_cannot_be_made_is_an_error(
    make_dataset: MakeDataset, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_text("a file, where a folder should be")
    monkeypatch.setenv(CACHE_VARIABLE, str(cache / "inside"))
    with pytest.raises(StorageError, match=CACHE_VARIABLE):
        open_pixels(make_dataset(), SIZE)


def test_the_cache_folder_is_ones_own_where_none_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_folder().name.startswith("cirray-cache-")


def test_other_code_fills_a_cache_of_its_own(
    make_dataset: MakeDataset, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset()
    open_pixels(dataset, SIZE)
    monkeypatch.setattr(pixels, "code_fingerprint", lambda *modules: "changed since")
    open_pixels(dataset, SIZE)
    assert len(list(cache.glob("*.npy"))) == 2
