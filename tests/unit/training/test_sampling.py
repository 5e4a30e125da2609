"""Shares of a batch: each example once, whoever works."""

from __future__ import annotations

import numpy as np
import pytest

from cirray.errors import ConfigError
from cirray.training.sampling import check_divisible, worker_share


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_the_workers_shares_make_up_the_same_batch(world_size: int) -> None:
    order = np.random.default_rng(0).permutation(40)
    for step in range(5):
        shares = [order[worker_share(step, 8, rank, world_size)] for rank in range(world_size)]
        assert np.concatenate(shares).tolist() == order[step * 8 : step * 8 + 8].tolist()
        assert {len(share) for share in shares} == {8 // world_size}


def test_workers_that_cannot_share_a_batch_equally_are_refused() -> None:
    check_divisible(8, 4)
    with pytest.raises(ConfigError, match="multiple of 3"):
        check_divisible(8, 3)
