"""Tokenisers: what all have in common, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from cirray.registry import Registry


class Tokenizer(ABC):
    """From a text to its words, by the rules of a paper.

    Args:
        vocabulary: the words that the model knows, in the order of their ids; for those tokenisers whose rules
            follow from them.

    Attributes:
        never_known: words that no vocabulary takes in, however often they occur.
    """

    never_known: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, vocabulary: tuple[str, ...] = ()) -> None:
        super().__init__()

    @classmethod
    def own_words(cls) -> tuple[str, ...] | None:
        """Return the words that the tokeniser brings with it, in their own order, or None: it learns them.

        With words of its own every text can be written, so that no word is unknown.

        Raises:
            ConfigError: they are in a package that is not installed.
        """
        return None

    @abstractmethod
    def __call__(self, text: str) -> list[str]:
        """Return the words of `text`, in order."""


tokenizers: Registry[type[Tokenizer]] = Registry("tokenizer")
