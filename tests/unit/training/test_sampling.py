"""Which triplets go where: each once, together with their like, whoever works."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirray.errors import ConfigError
from cirray.training.sampling import check_divisible, epoch_order, steps_in_epoch, worker_rows

references = st.lists(st.integers(0, 6), min_size=1, max_size=60).map(lambda values: np.array(values, dtype=np.int64))


@given(references, st.integers(1, 5), st.integers(0, 100), st.integers(0, 5))
def test_an_epoch_takes_every_triplet_once(
    rows: np.ndarray[tuple[int], np.dtype[np.int64]], group: int, seed: int, epoch: int
) -> None:
    assert sorted(epoch_order(rows, group, seed, epoch).tolist()) == list(range(len(rows)))


@given(references, st.integers(2, 5), st.integers(0, 100))
def test_as_many_of_a_reference_follow_each_other_as_there_are_up_to_the_group(
    rows: np.ndarray[tuple[int], np.dtype[np.int64]], group: int, seed: int
) -> None:
    ordered = rows[epoch_order(rows, group, seed, 0)].tolist()
    place = 0
    left = {reference: ordered.count(reference) for reference in set(ordered)}
    while place < len(ordered):
        reference = ordered[place]
        # Groups of one reference are full ones and at most one rest; each is unbroken.
        sizes = {min(group, left[reference]), left[reference] % group or group}
        run = 1
        while run < max(sizes) and place + run < len(ordered) and ordered[place + run] == reference:
            run += 1
        size = run if run in sizes else min(sizes)
        assert ordered[place : place + size] == [reference] * size
        left[reference] -= size
        place += size
    assert all(count == 0 for count in left.values())


def test_order_follows_from_seed_and_epoch() -> None:
    rows = np.arange(50) // 5
    orders = [epoch_order(rows, 2, seed, epoch).tolist() for seed, epoch in [(0, 0), (0, 0), (0, 1), (1, 0)]]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != orders[3]


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_the_workers_shares_make_up_the_same_batch(world_size: int) -> None:
    order = np.random.default_rng(0).permutation(40)
    for step in range(5):
        shares = [worker_rows(order, step, 8, rank, world_size) for rank in range(world_size)]
        assert np.concatenate(shares).tolist() == order[step * 8 : step * 8 + 8].tolist()
        assert {len(share) for share in shares} == {8 // world_size}


def test_what_does_not_fill_a_batch_waits() -> None:
    assert steps_in_epoch(35, 8) == 4


def test_a_batch_larger_than_the_data_says_how_large_it_may_be() -> None:
    with pytest.raises(ConfigError, match=r"only 7 training triplets.*to 7 or less"):
        steps_in_epoch(7, 8)


def test_workers_that_cannot_share_a_batch_equally_are_refused() -> None:
    check_divisible(8, 4)
    with pytest.raises(ConfigError, match="multiple of 3"):
        check_divisible(8, 3)
