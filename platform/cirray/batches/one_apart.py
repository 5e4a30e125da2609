"""Which of many things differ in exactly one part: captions in one word, items in one attribute."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Part = tuple[str, str]
"""A slot, and the word in it. Only parts of the same slot may stand for each other."""

Parts = tuple[Part, ...]

Parent = tuple[Parts, str]
"""What is left of parts that lost one, and the slot that this left empty."""

MAX_PARTS = 256
"""Of n parts there are n sequences of n - 1: more than this are no caption, and fill memory."""


@dataclass(frozen=True)
class OneApart:
    """Sequences of parts, and which of them become equal when each loses one part of the same slot.

    A sequence with an empty word in it, or one of more than `MAX_PARTS`, is one apart from none.

    Attributes:
        parts: the distinct sequences, sorted.
        parents: of each sequence, what it can become, of those that another sequence can become too.
        children: of each parent, the sequences that can become it, in ascending order: two at least.
    """

    parts: Sequence[Parts]
    parents: Sequence[tuple[Parent, ...]]
    children: Mapping[Parent, tuple[int, ...]]

    @classmethod
    def of(cls, sequences: Iterable[Parts]) -> OneApart:
        """Return who is one apart from whom, of any number of sequences, equal ones too."""
        parts = sorted(set(sequences))
        without = [_without_one(sequence) for sequence in parts]
        found: defaultdict[Parent, list[int]] = defaultdict(list)
        for number, candidates in enumerate(without):
            for parent in candidates:
                found[parent].append(number)
        shared = {parent: tuple(numbers) for parent, numbers in found.items() if len(numbers) > 1}
        parents = [tuple(parent for parent in candidates if parent in shared) for candidates in without]
        return cls(parts, parents, shared)

    def sibling(self, number: int, parent: Parent, draw: float) -> int:
        """Return another sequence that becomes `parent`; `draw`, in [0, 1), says which."""
        children = self.children[parent]
        place = int(draw * (len(children) - 1))
        return children[place if place < bisect_left(children, number) else place + 1]


def _without_one(parts: Parts) -> list[Parent]:
    if len(parts) > MAX_PARTS or not all(word for _, word in parts):
        return []  # what is not known is not equal, and cannot be replaced
    return sorted({(parts[:place] + parts[place + 1 :], slot) for place, (slot, _) in enumerate(parts)})
