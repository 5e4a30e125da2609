"""Token ids of texts that come again and again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cirray.encoders import Vocabulary
from cirray.encoders.vocabulary import UNKNOWN, Ids

MAX_KEPT = 1_000_000
"""Texts whose ids are kept; what comes after them is split each time."""


class TokenIds:
    """Encodes texts as a vocabulary does, and splits each only once."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._kept: dict[str, Ids] = {}

    def __call__(self, texts: Sequence[str]) -> tuple[Ids, Ids]:
        """Return the ids (N, T), padded with 0, and the lengths (N,) of `texts`."""
        rows = [self._row(text) for text in texts]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        ids = np.full((len(rows), max(lengths, default=1)), UNKNOWN, dtype=np.int64)
        for line, row in zip(ids, rows, strict=True):
            line[: len(row)] = row
        return ids, lengths

    def _row(self, text: str) -> Ids:
        row = self._kept.get(text)
        if row is None:
            row = self._vocabulary.encode([text])[0][0]
            if len(self._kept) < MAX_KEPT:
                self._kept[text] = row
        return row
