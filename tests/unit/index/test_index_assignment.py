from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

from cirray.index import shard_of


def test_the_assignment_never_changes() -> None:
    # Whoever changes these values strands every index that exists.
    assert [shard_of(item_id, 4) for item_id in ("a", "b", "item-000001", "ünïcode")] == [3, 1, 3, 1]
    assert shard_of("item-000001", 1000) == 635


@pytest.mark.parametrize("seed", ["1", "2"])
def test_it_is_the_same_in_every_process(seed: str) -> None:
    code = "from cirray.index.assignment import shard_of; print([shard_of(str(i), 7) for i in range(40)])"
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == str([shard_of(str(number), 7) for number in range(40)])


def test_shards_fill_evenly() -> None:
    counts = Counter(shard_of(f"item-{number}", 4) for number in range(8000))
    assert sorted(counts) == [0, 1, 2, 3]
    assert all(1850 < count < 2150 for count in counts.values())
