"""Things that differ in one part: captions in one word, items in one attribute."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Parent = tuple[tuple[str, ...], str]
"""What is left of a sequence that lost a part, and which slot the part left empty."""


@dataclass(frozen=True)
class OneApart:
    """Sequences of parts, and which of them become equal when each loses one part.

    Attributes:
        parts: the distinct sequences.
        parents: of each sequence, what it can become, of those that another sequence can become too.
        children: of each parent, the sequences that can become it, in ascending order.
    """

    parts: Sequence[tuple[str, ...]]
    parents: Sequence[tuple[Parent, ...]]
    children: Mapping[Parent, tuple[int, ...]]

    @classmethod
    def of(cls, sequences: Sequence[tuple[str, ...]], slot: Callable[[int, str], str]) -> OneApart:
        """Return who is one apart from whom. Sequences with equal sets of parts are never one apart.

        Args:
            sequences: any number of them, equal ones too.
            slot: of a part at a place; only parts of the same slot may stand for each other.
        """
        parts = sorted(set(sequences))
        without = [_without_one(sequence, slot) for sequence in parts]
        found: defaultdict[Parent, set[int]] = defaultdict(set)
        for number, candidates in enumerate(without):
            for parent in candidates:
                found[parent].add(number)
        shared = {parent: tuple(sorted(numbers)) for parent, numbers in found.items() if len(numbers) > 1}
        graph = cls(parts, [()] * len(parts), shared)
        parents = [
            tuple(parent for parent in sorted(candidates) if graph.siblings(number, parent))
            for number, candidates in enumerate(without)
        ]
        return cls(parts, parents, shared)

    def siblings(self, number: int, parent: Parent) -> list[int]:
        """Return the other sequences that become `parent`, but those that only order the same parts differently."""
        own = set(self.parts[number])
        return [other for other in self.children.get(parent, ()) if set(self.parts[other]) != own]


def one_word_pairs(captions: Sequence[str]) -> list[tuple[str, str]]:
    """Return all ordered pairs of captions that differ in the word at one place, sorted.

    Words are separated by white space and compared as tokens: TIRG's released code deletes a word wherever its
    letters occur, which mutilates other words. Captions with the same set of words make no pair (as in VAL's code).
    """
    spelled = {tuple(caption.split()): caption for caption in sorted(set(captions), reverse=True)}
    graph = OneApart.of(list(spelled), by_place)
    pairs = {
        (spelled[graph.parts[number]], spelled[graph.parts[other]])
        for number, parents in enumerate(graph.parents)
        for parent in parents
        for other in graph.siblings(number, parent)
    }
    return sorted(pairs)


def by_place(place: int, part: str) -> str:
    """Return the slot of a part that only one at the same place may stand for."""
    return str(place)


def replacement_text(source: Sequence[str], target: Sequence[str]) -> str:
    """Return "replace A with B" for two sequences of parts that are one apart.

    A is the first part of `source` that `target` does not have, B the first of `target` that `source` does not
    have; where one has no part of its own, its last stands in (TIRG's released code).
    """
    gone = next((part for part in source if part not in target), source[-1])
    new = next((part for part in target if part not in source), target[-1])
    return f"replace {gone} with {new}"


def _without_one(sequence: tuple[str, ...], slot: Callable[[int, str], str]) -> set[Parent]:
    return {(sequence[:place] + sequence[place + 1 :], slot(place, part)) for place, part in enumerate(sequence)}
