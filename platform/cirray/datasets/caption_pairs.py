"""Modification texts from captions that differ in one word, the way Fashion200k's queries are made.

TIRG (Vo et al., CVPR 2019) calls two captions siblings where both become the same text once a word is deleted, and
its code deletes every *substring* that reads like the word, so that "a" also mutilates "black" and captions meet that
have little in common. Here captions are sequences of tokens, and a pair is one word apart if both have the same
number of tokens and differ at exactly one position.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

Tokens = tuple[str, ...]


def one_word_pairs(captions: Iterable[str]) -> list[tuple[str, str]]:
    """Return all ordered pairs of captions that differ in one token at one position, each once, sorted.

    Tokens are what whitespace separates; letters of different case are different. Captions that differ only in their
    spacing are no pair, and neither are captions that differ in the order of their words or in their number. On the
    5,000 captions of Fashion200k that the tests read these are 8,106 pairs, where deletion of substrings as in TIRG's
    code gives 9,792.

    Args:
        captions: any number of them, repeated or not.
    """
    siblings: defaultdict[tuple[Tokens, Tokens], list[tuple[str, str]]] = defaultdict(list)
    for caption in sorted(set(captions)):
        tokens = tuple(caption.split())
        for position, word in enumerate(tokens):
            siblings[tokens[:position], tokens[position + 1 :]].append((word, caption))
    return sorted(
        (source, target)
        for group in siblings.values()
        for source_word, source in group
        for target_word, target in group
        if source_word != target_word
    )


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
