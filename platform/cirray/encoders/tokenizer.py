"""Tokenisers: from a text to its tokens, by the rules of the papers."""

from __future__ import annotations

import string
from collections.abc import Callable

from cirray.registry import Registry

Tokenizer = Callable[[str], list[str]]

tokenizers: Registry[Tokenizer] = Registry("tokenizer")

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@tokenizers.register("tirg")
def tirg(text: str) -> list[str]:
    """Return the words of `text` as TIRG's released code splits them.

    Characters beyond ASCII are dropped, letters lowered, punctuation deleted (so "top-left" is one word,
    "topleft"), and the rest split at white space.
    """
    ascii_only = text.encode("ascii", errors="ignore").decode()
    return ascii_only.lower().translate(_NO_PUNCTUATION).split()
