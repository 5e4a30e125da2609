"""Pairs of items that are one word, or one attribute, apart; drawn anew each epoch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import ClassVar, Literal, TypeVar

import numpy as np
from pydantic import Field

from cirray.batches.one_apart import OneApart, by_place, replacement_text
from cirray.batches.pool import Examples, Ints
from cirray.batches.sampler import Sampler, samplers
from cirray.config import Choice
from cirray.errors import ConfigError

T = TypeVar("T")


class PairSampler(Sampler):
    """One pair for each item of the split that has a counterpart: a random parent, sibling, and item of the sibling.

    The three draws are uniform, each within what the one before left (TIRG's code on Fashion200k); that each item
    gives one pair an epoch is VAL's.
    """

    uses_triplets: ClassVar[bool] = False

    @abstractmethod
    def parts(self, row: int) -> tuple[str, ...]:
        """Return what an item is compared by: the words of its caption, or its attributes."""

    @abstractmethod
    def slot(self, place: int, part: str) -> str:
        """Return which parts the one at `place` may be replaced by: those of the same slot."""

    def word(self, part: str) -> str:
        """Return how the text calls a part."""
        return part

    @property
    def size(self) -> int:
        """The number of items that have a counterpart."""
        return len(self._modifiable)

    def steps(self, batch_size: int) -> int:
        """Return the number of whole batches.

        Raises:
            ConfigError: there is not even one.
        """
        if not self.size:
            raise ConfigError(
                f"No two of the {len(self.pool.items.members)} training items are one apart, as the sampler "
                f"{self.config.name!r} wants them.",
                hint="Set training.sampler.name to shuffle, which takes the triplets of the dataset.",
            )
        return super().steps(batch_size)

    def epoch(self, batch_size: int, seed: int, epoch: int) -> Examples:
        """Return one pair for each item that has a counterpart, in random order."""
        generator = np.random.default_rng([seed, epoch])
        references = generator.permutation(self._modifiable)
        draws = generator.random((len(references), 3)).tolist()
        found = [self._pair(row, *draw) for row, draw in zip(references.tolist(), draws, strict=True)]
        targets = np.array([target for target, _ in found], dtype=np.int64)
        return Examples(references, targets, [text for _, text in found])

    def texts(self) -> Iterator[str]:
        """Yield "replace with", and all that can stand between."""
        yield "replace with"
        for row in self.pool.items.members.tolist():
            yield from map(self.word, self.parts(row))

    def _pair(self, row: int, *draw: float) -> tuple[int, str]:
        own = self._number[row]
        parent = _choose(self._graph.parents[own], draw[0])
        other = _choose(self._graph.siblings(own, parent), draw[1])
        target = _choose(self._rows_of[other], draw[2])
        words = [[self.word(part) for part in self._graph.parts[number]] for number in (own, other)]
        return target, replacement_text(*words)

    @cached_property
    def _graph(self) -> OneApart:
        return OneApart.of([self.parts(row) for row in self.pool.items.members.tolist()], self.slot)

    @cached_property
    def _number(self) -> dict[int, int]:
        """The place in the graph of each item of the split, by its row."""
        places = {parts: number for number, parts in enumerate(self._graph.parts)}
        return {row: places[self.parts(row)] for row in self.pool.items.members.tolist()}

    @cached_property
    def _rows_of(self) -> list[list[int]]:
        rows: list[list[int]] = [[] for _ in self._graph.parts]
        for row, number in self._number.items():
            rows[number].append(row)
        return rows

    @cached_property
    def _modifiable(self) -> Ints:
        rows = [row for row, number in self._number.items() if self._graph.parents[number]]
        return np.array(rows, dtype=np.int64)


class CaptionPairsConfig(Choice):
    """Settings of `CaptionPairs`: none."""

    name: Literal["caption-pairs"] = "caption-pairs"


@samplers.register("caption-pairs")
class CaptionPairs(PairSampler):
    """Pairs of items whose captions are one word apart: Fashion200k."""

    Config = CaptionPairsConfig

    def parts(self, row: int) -> tuple[str, ...]:
        """Return the words of the caption."""
        return tuple(self.pool.items.captions[row].split())

    def slot(self, place: int, part: str) -> str:
        """Return the place: a word stands for another at the same place only."""
        return by_place(place, part)


class AttributePairsConfig(Choice):
    """Settings of `AttributePairs`.

    Attributes:
        separator: between name and value of an attribute, "colour=red". An attribute without it is a value only.
    """

    name: Literal["attribute-pairs"] = "attribute-pairs"
    separator: str = Field("=", min_length=1)


@samplers.register("attribute-pairs")
class AttributePairs(PairSampler):
    """Pairs of items whose attributes differ in exactly one value: catalogues. Their order does not matter."""

    Config = AttributePairsConfig

    def parts(self, row: int) -> tuple[str, ...]:
        """Return the attributes, sorted."""
        return tuple(sorted(set(self.pool.items.attributes[row])))

    def slot(self, place: int, part: str) -> str:
        """Return the attribute's name."""
        name, separator, _ = part.partition(self.config.separator)
        return name if separator else ""

    def word(self, part: str) -> str:
        """Return the attribute's value."""
        _, separator, value = part.partition(self.config.separator)
        return value if separator else part


def _choose(values: Sequence[T], draw: float) -> T:
    return values[int(draw * len(values))]
