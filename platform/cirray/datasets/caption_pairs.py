"""Modification texts from captions that differ in one word, the way Fashion200k's queries are made.

TIRG (Vo et al., CVPR 2019) calls two captions siblings where both become the same text once a word is deleted, and
its code deletes every *substring* that reads like the word, so that "a" also mutilates "black" and captions meet that
have little in common. Here captions are sequences of tokens, and a pair is one word apart if both have the same
number of tokens and differ at exactly one position.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

Tokens = tuple[str, ...]


def one_word_pairs(captions: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield all ordered pairs of captions that differ in one token at one position, each once, sorted.

    Tokens are what whitespace separates; letters of different case are different. Captions that differ only in their
    spacing are no pair, and neither are captions that differ in the order of their words or in their number. On the
    5,000 captions of Fashion200k that the tests read these are 8,106 pairs, where deletion of substrings as in TIRG's
    code gives 9,792.

    There can be as many pairs as the square of the captions: only the captions are in memory, with 32 bytes for each
    of their words, and the pairs of one of them.

    Args:
        captions: any number of them, repeated or not.
    """
    ordered = sorted(set(captions))
    tokens = [tuple(caption.split()) for caption in ordered]
    groups = _Groups(tokens)
    for number, source in enumerate(ordered):
        near = {other for other in groups.of(number) if _one_apart(tokens[number], tokens[other])}
        yield from ((source, ordered[other]) for other in sorted(near))


class _Groups:
    """Captions that may be equal but for the word at one position, found by the hash of all other words."""

    def __init__(self, tokens: Sequence[Tokens]) -> None:
        lengths = np.fromiter((len(words) for words in tokens), np.int64, len(tokens))
        self._first = np.concatenate([[0], np.cumsum(lengths)])
        rests = (hash((at, words[:at], words[at + 1 :])) for words in tokens for at in range(len(words)))
        self._keys = np.fromiter(rests, np.int64, int(lengths.sum()))
        order = np.argsort(self._keys, kind="stable")
        self._sorted, self._owners = self._keys[order], np.repeat(np.arange(len(tokens)), lengths)[order]

    def of(self, number: int) -> Iterator[int]:
        """Yield the captions that share a hash with that of this number, some perhaps twice, itself included."""
        keys = self._keys[self._first[number] : self._first[number + 1]]
        bounds = (np.searchsorted(self._sorted, keys, side) for side in ("left", "right"))
        for start, end in zip(*bounds, strict=True):
            yield from self._owners[start:end].tolist()


def _one_apart(a: Tokens, b: Tokens) -> bool:
    return len(a) == len(b) and sum(x != y for x, y in zip(a, b, strict=True)) == 1


def replacement_text(source: str, target: str) -> str:
    """Return "replace A with B", the text that leads from the caption `source` to the caption `target`.

    Of captions one word apart, A and B are the words at the position where they differ. Of others, such as some of
    Fashion200k's test queries, A is the first word that `target` does not have, and B the first that `source` does
    not have; where there is no such word, it is the last, as in TIRG's code. Without words in either caption there is
    no text: the result is empty.
    """
    a, b = source.split(), target.split()
    if not a or not b:
        return ""
    differing = [position for position in range(len(a)) if a[position] != b[position]] if len(a) == len(b) else []
    if len(differing) == 1:
        old, new = a[differing[0]], b[differing[0]]
    else:
        old = next((word for word in a if word not in b), a[-1])
        new = next((word for word in b if word not in a), b[-1])
    return f"replace {old} with {new}"
