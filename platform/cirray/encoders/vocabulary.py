"""Vocabularies: from tokens to ids that are the same on every machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import field_validator

from cirray.config import Config
from cirray.encoders.tokenizer import Tokenizer, tokenizers
from cirray.errors import ConfigError

UNKNOWN = 0
"""Id of padding and of every word that the vocabulary does not have, as in TIRG's code."""

OnUnknown = Literal["drop", "keep"]
"""What becomes of a word that the vocabulary does not have."""

Ids = npt.NDArray[np.int64]


class Vocabulary(Config):
    """The words that a model knows: those of its training set, or those that its tokeniser brings with it.

    Attributes:
        tokenizer: name of the tokeniser that splits texts.
        words: in alphabetical order, or, where they are the tokeniser's, in its own; the word at position i has id
            i + 1.
        on_unknown: "drop" leaves unknown words out of a text; "keep" gives them the id 0, as TIRG's code does.
            Where training never met that id, its vector is noise, and one such word spoils a query.
    """

    tokenizer: str
    words: tuple[str, ...]
    on_unknown: OnUnknown = "drop"

    @field_validator("tokenizer")
    @classmethod
    def _exists(cls, tokenizer: str) -> str:
        tokenizers[tokenizer]  # here rather than at the first query
        return tokenizer

    @classmethod
    def of(
        cls, texts: Iterable[str], tokenizer: str = "tirg", on_unknown: OnUnknown = "drop", min_count: int = 1
    ) -> Vocabulary:
        """Return the vocabulary of the words in `texts`, or of the tokeniser's own.

        Args:
            texts: of the training set.
            tokenizer: name of the tokeniser.
            on_unknown: what becomes of other words.
            min_count: how often a word must occur in `texts`. VAL's code trains the vectors of words that occur once
                and takes these words for unknown in tests; here a rare word is unknown in training too, so that
                "keep" learns a vector for what is unknown.

        Raises:
            ConfigError: rare words were to be left out of a tokeniser's own.
        """
        kind = tokenizers[tokenizer]
        own = kind.own_words()
        if own is not None:
            if min_count > 1:
                raise ConfigError(
                    f"Tokenizer {tokenizer!r} brings its words with it: none is too rare, and min_count cannot be "
                    f"{min_count}.",
                    hint="Set model.min_count to 1.",
                )
            return cls(tokenizer=tokenizer, words=own, on_unknown=on_unknown)
        split = kind()
        counts = Counter(word for text in texts for word in split(text))
        words = sorted(word for word, count in counts.items() if count >= min_count and word not in kind.never_known)
        return cls(tokenizer=tokenizer, words=tuple(words), on_unknown=on_unknown)

    def __len__(self) -> int:
        """Return the number of ids, that of unknown words included."""
        return len(self.words) + 1

    def encode(self, texts: Iterable[str]) -> tuple[Ids, Ids]:
        """Return the ids (N, T), padded with 0, and the lengths (N,) of `texts`.

        A text that has no words left counts as one unknown word, so that every length is at least 1.
        """
        rows = [self._row(self._split(text)) for text in texts]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        ids = np.full((len(rows), max(lengths, default=1)), UNKNOWN, dtype=np.int64)
        for row, values in zip(ids, rows, strict=True):
            row[: len(values)] = values
        return ids, lengths

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of `text` that the vocabulary does not have, in order."""
        return [word for word in self._split(text) if word not in self._ids]

    def _row(self, words: Iterable[str]) -> list[int]:
        ids = [self._ids.get(word, UNKNOWN) for word in words]
        if self.on_unknown == "drop":
            ids = [known for known in ids if known != UNKNOWN]
        return ids or [UNKNOWN]

    @cached_property
    def _split(self) -> Tokenizer:
        return tokenizers[self.tokenizer](self.words)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: position for position, word in enumerate(self.words, start=1)}
