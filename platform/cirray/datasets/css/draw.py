"""A uniform draw from a few values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def pick(values: Sequence[T], rng: np.random.Generator) -> T:
    """Return one of `values`, each equally likely."""
    return values[int(rng.integers(len(values)))]
