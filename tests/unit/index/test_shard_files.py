from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from cirray.errors import ArtifactError
from cirray.index import ItemText, Shard

Gallery = tuple[list[str], npt.NDArray[np.float32]]
MakeItems = Callable[[list[str]], pa.Table]


@pytest.fixture
def shard(gallery: Gallery, make_items: MakeItems) -> Shard:
    item_ids, vectors = gallery
    return Shard.build(make_items(item_ids), vectors, 8)


def test_a_shard_comes_back_from_its_bytes(shard: Shard, gallery: Gallery) -> None:
    back = Shard.from_bytes(shard.index_bytes(), shard.items_bytes())
    assert back.items.equals(shard.items)
    assert np.array_equal(back.vectors(), gallery[1])
    assert (len(back), back.dim) == (50, 8)
    assert back.search(gallery[1][:5], 7) == shard.search(gallery[1][:5], 7)


def test_the_bytes_do_not_depend_on_the_order_of_the_items(
    shard: Shard, gallery: Gallery, make_items: MakeItems
) -> None:
    item_ids, vectors = gallery
    order = np.random.default_rng(3).permutation(50)
    shuffled = Shard.build(make_items([item_ids[row] for row in order]), vectors[order], 8)
    assert shuffled.index_bytes() == shard.index_bytes()
    assert shuffled.items_bytes() == shard.items_bytes()


def test_texts_belong_to_their_items(shard: Shard) -> None:
    texts = shard.texts(["item-042", "item-000", "item-042"])
    assert texts == [
        ItemText(f"label of {i}", f"caption of {i}", f"category {i[-1]}", (f"tag {i[-1]}", f"tag {i[-2:]}"))
        for i in ("item-042", "item-000", "item-042")
    ]
    assert shard.texts([]) == []


def test_an_empty_shard_has_bytes_too(make_items: MakeItems) -> None:
    empty = Shard.build(make_items([]), np.zeros((0, 8), np.float32), 8)
    back = Shard.from_bytes(empty.index_bytes(), empty.items_bytes())
    assert (len(back), back.dim, back.item_ids, back.vectors().shape) == (0, 8, [], (0, 8))


@pytest.mark.parametrize("length", [0, 3, 30, 200])
def test_a_truncated_index_is_refused(shard: Shard, length: int) -> None:
    with pytest.raises(ArtifactError, match=r"cannot be read.*Build the index again"):
        Shard.from_bytes(shard.index_bytes()[:length], shard.items_bytes())


def test_items_that_are_no_table_are_refused(shard: Shard) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        Shard.from_bytes(shard.index_bytes(), b"PAR1 but not really")


def test_files_of_two_shards_do_not_mix(shard: Shard, make_items: MakeItems) -> None:
    other = Shard.build(make_items(["a"]), np.ones((1, 8), np.float32) / np.float32(3), 8)
    with pytest.raises(ArtifactError, match="1 items and 50 vectors"):
        Shard.from_bytes(shard.index_bytes(), other.items_bytes())


def test_an_id_that_comes_twice_is_refused(make_items: MakeItems) -> None:
    with pytest.raises(ArtifactError, match="'b' follows 'b'"):
        Shard.build(make_items(["b", "a", "b"]), np.zeros((3, 4), np.float32), 4)


@pytest.mark.parametrize(
    ("vectors", "match"),
    [
        (np.full((2, 4), np.nan, np.float32), "not finite"),
        (np.full((2, 4), 3, np.float32), "length is 6"),
        (np.zeros((2, 5), np.float32), r"vectors \(2, 5\)"),
        (np.zeros((3, 4), np.float32), r"vectors \(3, 4\)"),
    ],
)
def test_vectors_that_have_no_cosine_are_not_indexed(
    make_items: MakeItems, vectors: npt.NDArray[np.float32], match: str
) -> None:
    with pytest.raises(ArtifactError, match=match):
        Shard.build(make_items(["a", "b"]), vectors, 4)
