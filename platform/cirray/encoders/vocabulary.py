"""Vocabularies: from tokens to ids that are the same on every machine."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from cirray.config import Config
from cirray.encoders.tokenizer import tokenizers

UNKNOWN = 0
"""Id of padding and of every word that the vocabulary does not have, as in TIRG's code."""

OnUnknown = Literal["drop", "keep"]
"""What becomes of a word that the vocabulary does not have."""

Ids = npt.NDArray[np.int64]


class Vocabulary(Config):
    """The words of a training set.

    Attributes:
        tokenizer: name of the tokeniser that splits texts.
        words: in alphabetical order; the word at position i has id i + 1.
        on_unknown: "drop" leaves unknown words out of a text; "keep" gives them the id 0, as TIRG's code does.
            Where training never met that id, its vector is noise, and one such word spoils a query.
    """

    tokenizer: str
    words: tuple[str, ...]
    on_unknown: OnUnknown = "drop"

    @classmethod
    def of(cls, texts: Iterable[str], tokenizer: str = "tirg", on_unknown: OnUnknown = "drop") -> Vocabulary:
        """Return the vocabulary of all words in `texts`."""
        split = tokenizers[tokenizer]
        words = sorted({word for text in texts for word in split(text)})
        return cls(tokenizer=tokenizer, words=tuple(words), on_unknown=on_unknown)

    def __len__(self) -> int:
        """Return the number of ids, that of unknown words included."""
        return len(self.words) + 1

    def encode(self, texts: Iterable[str]) -> tuple[Ids, Ids]:
        """Return the ids (N, T), padded with 0, and the lengths (N,) of `texts`.

        A text that has no words left counts as one unknown word, so that every length is at least 1.
        """
        split = tokenizers[self.tokenizer]
        rows = [self._row(split(text)) for text in texts]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        ids = np.full((len(rows), max(lengths, default=1)), UNKNOWN, dtype=np.int64)
        for row, values in zip(ids, rows, strict=True):
            row[: len(values)] = values
        return ids, lengths

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of `text` that the vocabulary does not have, in order."""
        return [word for word in tokenizers[self.tokenizer](text) if word not in self._ids]

    def _row(self, words: Iterable[str]) -> list[int]:
        ids = [self._ids.get(word, UNKNOWN) for word in words]
        if self.on_unknown == "drop":
            ids = [known for known in ids if known != UNKNOWN]
        return ids or [UNKNOWN]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: position for position, word in enumerate(self.words, start=1)}
