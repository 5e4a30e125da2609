from __future__ import annotations

import itertools

import pytest

from cirray.datasets import REJECTS
from cirray.errors import DataError
from cirray.prepare.rejects import Reject, check_share, count_reasons, rejects_of, rejects_table

SOME = [
    Reject("triplet", "q1", "empty-text", "train: ''"),
    Reject("item", "b", "undecodable", "b.png: cut short"),
    Reject("item", "a", "undecodable", "a.png: cut short"),
    Reject("item", "a", "missing-file", "a.png"),
]


def test_the_order_of_the_table_is_that_of_its_content() -> None:
    tables = [rejects_table(order) for order in itertools.permutations(SOME)]
    assert tables[0].schema == REJECTS
    assert rejects_of(tables[0]) == sorted(SOME)
    assert all(table.equals(tables[0]) for table in tables)


def test_an_empty_table_has_its_schema() -> None:
    assert rejects_table([]).schema == REJECTS
    assert rejects_of(rejects_table([])) == []


def test_the_most_frequent_reason_comes_first() -> None:
    counts = count_reasons(SOME)
    assert list(counts.items()) == [("undecodable", 2), ("empty-text", 1), ("missing-file", 1)]


@pytest.mark.parametrize(("num_items", "fits"), [(300, True), (299, False)])
def test_the_share_may_be_reached_and_not_passed(num_items: int, fits: bool) -> None:
    rejects = [reject for reject in SOME if reject.kind == "item"]
    if fits:
        check_share(rejects, {"item": num_items, "triplet": 0}, 0.01)
    else:
        with pytest.raises(DataError, match=r"3 of 299 items were rejected, where a share of 0\.01 is allowed"):
            check_share(rejects, {"item": num_items, "triplet": 0}, 0.01)


def test_the_share_is_exact() -> None:
    rejects = [Reject("item", f"i{n}", "undecodable", "") for n in range(29)]
    check_share(rejects, {"item": 100, "triplet": 0}, 0.29)  # 0.29 * 100 < 29


def test_items_and_triplets_have_shares_of_their_own() -> None:
    with pytest.raises(DataError, match="1 of 50 triplets were rejected"):
        check_share(SOME, {"item": 1000, "triplet": 50}, 0.01)
    with pytest.raises(DataError, match="3 of 200 items and 1 of 50 triplets were rejected"):
        check_share(SOME, {"item": 200, "triplet": 50}, 0.01)


def test_the_message_has_counts_and_the_first_examples_of_each_reason() -> None:
    many = [Reject("item", f"i{n}", "undecodable", f"i{n}.png") for n in range(9)]
    with pytest.raises(DataError) as raised:
        check_share([*many, Reject("item", "z", "empty-file", "z.png")], {"item": 20, "triplet": 0}, 0)
    message = str(raised.value)
    assert "undecodable 9, empty-file 1" in message
    assert "item 'i2' (undecodable: i2.png)" in message
    assert "i3" not in message
    assert "item 'z' (empty-file: z.png)" in message
    assert "raise max_reject_share" in message


def test_nothing_left_is_an_error_whatever_the_share() -> None:
    with pytest.raises(DataError, match="None of the 1 items can be used: undecodable 1"):
        check_share([SOME[1]], {"item": 1, "triplet": 0}, 1.0)


def test_everything_may_be_rejected_of_triplets() -> None:
    check_share([SOME[0]], {"item": 1, "triplet": 1}, 1.0)
