"""Classification by text: which texts the pictures of a split are told apart by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cirray.datasets.prepared import PreparedDataset
from cirray.errors import DataError
from cirray.exact import Ints

Candidates = Literal["split", "all"]
"""The labels of the split's pictures alone (the closed world), or those of all splits' pictures (the open world)."""


@dataclass(frozen=True)
class Classes:
    """Pictures, and the texts of which one is right for each.

    Attributes:
        pictures: (Q,) rows of the item table, ascending.
        texts: the candidates, sorted.
        answers: (Q,) place among the texts of each picture's own.
    """

    pictures: Ints
    texts: Sequence[str]
    answers: Ints


def classes_of(dataset: PreparedDataset, split: str, candidates: Candidates) -> Classes:
    """Return the pictures of a split with their labels among the candidates.

    Raises:
        DataError: the split has no pictures.
    """
    splits, labels = (dataset.items[name].to_pylist() for name in ("splits", "label"))
    pictures = [row for row, names in enumerate(splits) if split in names]
    if not pictures:
        known = ", ".join(sorted({name for names in splits for name in names}))
        raise DataError(f"Split {split!r} of dataset {dataset.name!r} has no pictures.", hint=f"Splits are: {known}.")
    among = pictures if candidates == "split" else [row for row, names in enumerate(splits) if names]
    texts = sorted({labels[row] for row in among})
    place = {text: position for position, text in enumerate(texts)}
    return Classes(
        np.array(pictures, dtype=np.int64), texts, np.array([place[labels[row]] for row in pictures], dtype=np.int64)
    )
