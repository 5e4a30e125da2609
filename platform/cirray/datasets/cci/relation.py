"""Which scenes are one valid change apart: the relation by which smooth paths are counted.

A pair is valid where the scenes differ by exactly one attribute of one object, or by one extra object. The relation
is symmetric, the instruction is not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cirray.datasets.cci.changes import change
from cirray.datasets.cci.scene import CciScene


def valid_difference(a: CciScene, b: CciScene) -> str | None:
    """Return the instruction that leads from `a` to `b` by exactly one valid change, or None where none does."""
    gone, come = set(a.objects) - set(b.objects), set(b.objects) - set(a.objects)
    if len(gone) > 1 or len(come) > 1:
        return None
    return change(next(iter(gone), None), next(iter(come), None))


def valid_pairs(scenes: Sequence[CciScene]) -> NDArray[np.int64]:
    """Return all (i, j), i < j, of which `valid_difference` gives an instruction: `(n, 2)`, sorted.

    Scenes can be a valid pair only where they are equal once each has lost at most one object; so only those
    that share such a remainder are compared.
    """
    places: dict[frozenset[object], list[int]] = defaultdict(list)
    for index, scene in enumerate(scenes):
        whole = frozenset(scene.objects)
        for remainder in (whole, *(whole - {o} for o in scene.objects)):
            places[remainder].append(index)
    found = {
        (i, j)
        for indices in places.values()
        for position, i in enumerate(indices)
        for j in indices[position + 1 :]
        if valid_difference(scenes[i], scenes[j]) is not None
    }
    return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)


def partners(pairs: NDArray[np.int64], num_scenes: int) -> NDArray[np.int64]:
    """Return how many valid partners each of `num_scenes` scenes has, `(num_scenes,)`."""
    return np.bincount(pairs.ravel(), minlength=num_scenes)
