"""What becomes of the several texts of a triplet."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest

from cirray.batches import Pool, TextUse
from cirray.datasets import ITEM_COLUMNS, ITEMS, triplets_table

ROWS = 400


def pool(use: TextUse, texts: list[str], joiner: str = " and ", rows: int = ROWS) -> Pool:
    schema = pa.schema([ITEMS.field(name) for name in ITEM_COLUMNS])
    empty = {"label": "", "caption": "", "attributes": [], "width": 1, "height": 1}
    items = pa.Table.from_pylist(
        [
            {**empty, "item_id": "a", "category": "dress", "splits": ["train"]},
            {**empty, "item_id": "b", "category": "shirt", "splits": ["val"]},
        ],
        schema=schema,
    )
    triplet = {"reference_id": "a", "target_id": "b", "texts": texts}
    triplets = triplets_table([{**triplet, "query_id": f"q{row:04d}"} for row in reversed(range(rows))])
    return Pool.of(items, triplets, "train", use, joiner)


def drawn(use: TextUse, texts: list[str], epoch: int = 0, joiner: str = " and ") -> list[str]:
    found = pool(use, texts, joiner)
    return list(found.examples(np.arange(len(found)), 0, epoch).texts)


def test_joined_texts_are_one_text() -> None:
    assert drawn("joined", ["is red", " ", "is long"]) == ["is red and is long"] * ROWS
    assert drawn("joined", ["is red", "is long"], joiner=", ") == ["is red, is long"] * ROWS


def test_each_text_is_an_example() -> None:
    assert drawn("each", ["is red", "", "is long"]) == ["is red", "is long"] * ROWS
    assert len(pool("each", ["is red", "", "is long"])) == 2 * ROWS


def test_one_is_drawn_anew_each_epoch() -> None:
    epochs = [drawn("one-anew", ["is red", "is long"], epoch) for epoch in (0, 0, 1)]
    assert epochs[0] == epochs[1] != epochs[2]
    counts = Counter(epochs[0])
    assert set(counts) == {"is red", "is long"}
    assert 150 < counts["is red"] < 250


def test_the_order_is_drawn_anew_each_epoch_and_all_orders_come() -> None:
    epochs = [drawn("joined-anew", ["a", "b", "c"], epoch, " ") for epoch in (0, 0, 1)]
    assert epochs[0] == epochs[1] != epochs[2]
    counts = Counter(epochs[0])
    assert set(counts) == {" ".join(order) for order in permutations("abc")}
    assert min(counts.values()) > ROWS / 6 / 2


def test_mixed_takes_each_caption_and_each_order_a_quarter_of_the_time() -> None:
    counts = Counter(drawn("mixed-anew", ["a", "b"]))
    assert set(counts) == {"a", "b", "a and b", "b and a"}
    assert min(counts.values()) > 70


@pytest.mark.parametrize("use", ["joined", "joined-anew", "each", "one-anew", "mixed-anew"])
def test_a_single_text_stays_what_it_is(use: TextUse) -> None:
    assert drawn(use, [" is red "]) == ["is red"] * ROWS


def test_what_a_triplet_does_not_say_of_its_category_its_target_does() -> None:
    found = pool("joined", ["is red"], rows=2)
    assert found.categories == ["shirt", "shirt"]
    assert found.items.members.tolist() == [0]
    assert (found.references.tolist(), found.targets.tolist()) == ([0, 0], [1, 1])
