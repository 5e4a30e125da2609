from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cirray.datasets import DUPLICATES, HASHES, decode
from cirray.prepare.duplicates import duplicates_of_other_splits, find_duplicates
from cirray.prepare.hashing import difference_hash, hash_pixels
from cirray.prepare.rejects import Reject


def hashes(*rows: tuple[str, str, str, int]) -> pa.Table:
    names = ("item_id", "bytes", "pixels", "perceptual")
    return pa.Table.from_pylist(
        [{"width": 1, "height": 1, **dict(zip(names, row, strict=True))} for row in rows], schema=HASHES
    )


def found(table: pa.Table, bits: int | None) -> list[tuple[str, str, str]]:
    duplicates = find_duplicates(table, bits)
    assert duplicates.schema == DUPLICATES
    return [(row["item_id"], row["duplicate_of"], row["kind"]) for row in duplicates.to_pylist()]


def test_an_item_has_one_row_of_the_strongest_kind() -> None:
    table = hashes(("d", "4", "p", 7), ("a", "1", "p", 7), ("b", "1", "p", 7), ("c", "2", "p", 7), ("e", "5", "q", 5))
    assert found(table, 1) == [
        ("b", "a", "same-bytes"),
        ("c", "a", "same-pixels"),
        ("d", "a", "same-pixels"),
        ("e", "a", "similar"),
    ]
    assert found(table, 0) == found(table, None) == found(table, 1)[:3]


def test_even_pictures_are_like_no_other() -> None:
    assert found(hashes(("a", "1", "p", 0), ("b", "2", "q", 0), ("c", "3", "r", 1)), 2) == []


VALUES = st.lists(
    st.integers(0, 2**64 - 1) | st.sampled_from([1, 3, 7, 15, 1 << 40, 1 << 63, 2**64 - 1]), max_size=25
)


@given(values=VALUES, flips=st.lists(st.tuples(st.integers(0, 24), st.integers(0, 63))), bits=st.integers(0, 15))
def test_similar_is_what_comparing_all_with_all_finds(
    values: list[int], flips: list[tuple[int, int]], bits: int
) -> None:
    values = values + [values[at % len(values)] ^ 1 << bit for at, bit in flips if values]
    table = hashes(*((f"i{at:02d}", f"b{at}", f"p{at}", value) for at, value in enumerate(values)))
    leaders: list[int] = []
    expected = []
    for at, value in enumerate(values):
        near = [lead for lead in leaders if values[lead] and value and (values[lead] ^ value).bit_count() <= bits]
        if near:
            expected.append((f"i{at:02d}", f"i{near[0]:02d}", "similar"))
        else:
            leaders.append(at)
    assert found(table, bits) == expected


def test_train_items_that_another_split_shows_are_rejected() -> None:
    table = hashes(("a", "1", "p", 1), ("b", "2", "p", 1), ("c", "3", "q", 1), ("d", "4", "p", 1), ("e", "5", "p", 1))
    splits = {"a": ["train"], "b": ["test"], "c": ["train"], "d": ["train", "test"], "e": []}
    reject = Reject("item", "a", "duplicate-of-other-split", "the same pixels as b of test")
    assert duplicates_of_other_splits(table, splits, ["test"]) == [reject]
    assert duplicates_of_other_splits(table, splits, ["val"]) == []


@given(side=st.integers(1, 150), seed=st.integers(0, 9), where=st.integers(0, 10**6))
def test_one_other_value_is_another_hash_of_pixels(side: int, seed: int, where: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    other = pixels.copy()
    other.reshape(-1)[where % pixels.size] ^= 1
    assert hash_pixels(pixels) == hash_pixels(pixels.copy()) != hash_pixels(other)
    assert side == 1 or hash_pixels(pixels) != hash_pixels(pixels.reshape(1, side * side, 3))


def test_the_looks_of_a_picture_survive_compression_and_scaling() -> None:
    cells = np.random.default_rng(0).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    image = Image.fromarray(cells).resize((300, 300), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=60)
    first = difference_hash(np.asarray(image))
    assert (first ^ difference_hash(np.asarray(decode(buffer.getvalue())))).bit_count() <= 3
    assert (first ^ difference_hash(np.asarray(image.resize((90, 90))))).bit_count() <= 3
    assert (first ^ difference_hash(np.asarray(image.transpose(Image.Transpose.ROTATE_90)))).bit_count() > 12


def test_a_brighter_cell_to_the_right_is_a_set_bit() -> None:
    columns = np.array([0, 9, 3, 4, 4, 8, 1, 2, 3], dtype=np.uint8) * 20
    pixels = np.broadcast_to(columns[None, :, None], (8, 9, 3))
    assert difference_hash(pixels) == int("10101011" * 8, 2)
