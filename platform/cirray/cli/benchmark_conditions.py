"""Under which conditions benchmarks compare: each in turn with the others, and in an environment of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import TypeVar

T = TypeVar("T")


def in_turn(work: Mapping[str, Callable[[int], T]], turns: int) -> dict[str, list[T]]:
    """Return what each gives at each turn, from turn 0.

    In turn, so that what else the machine does falls on all alike, and every other time in the opposite order, so
    that none is always the one that comes first.
    """
    found: dict[str, list[T]] = {name: [] for name in work}
    for turn in range(turns):
        for name in list(work)[:: -1 if turn % 2 else 1]:
            found[name].append(work[name](turn))
    return found


def median_ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the ratios of one turn each."""
    return median([our / their for our, their in zip(ours, theirs, strict=True)])


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Have environment variables in the block, and what they were before after it."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
