"""Pairs of items that are one word, or one attribute, apart; drawn anew each epoch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import ClassVar, Literal, TypeVar

import numpy as np
from pydantic import Field

from cirray.batches.one_apart import OneApart, Parts
from cirray.batches.pool import Examples, Ints
from cirray.batches.sampler import Sampler, samplers
from cirray.config import Choice
from cirray.datasets.caption_pairs import replacement_text
from cirray.errors import ConfigError

T = TypeVar("T")


class PairSampler(Sampler):
    """One pair for each item of the split that has a counterpart: a random parent, sibling, and item of the sibling.

    The three draws are uniform, each within what the one before left (TIRG's code on Fashion200k); that each item
    gives one pair an epoch is VAL's.
    """

    uses_triplets: ClassVar[bool] = False

    @abstractmethod
    def parts(self, row: int) -> Parts:
        """Return what an item is compared by: the words of its caption, or its attributes."""

    @abstractmethod
    def text(self, reference: int, target: int) -> str:
        """Return the text that leads from one item, by its row, to another that is one part apart."""

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
                hint="Set training.sampler to {name: shuffle}, which takes the triplets of the dataset.",
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
            yield from (word for _, word in self.parts(row))

    def _pair(self, row: int, *draw: float) -> tuple[int, str]:
        own = self._number[row]
        parent = _choose(self._graph.parents[own], draw[0])
        target = _choose(self._rows_of[self._graph.sibling(own, parent, draw[1])], draw[2])
        return target, self.text(row, target)

    @cached_property
    def _graph(self) -> OneApart:
        return OneApart.of(self.parts(row) for row in self.pool.items.members.tolist())

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

    def parts(self, row: int) -> Parts:
        """Return the words of the caption: each stands for another at the same place only."""
        return tuple((str(place), word) for place, word in enumerate(self.pool.items.captions[row].split()))

    def text(self, reference: int, target: int) -> str:
        """Return "replace A with B", A and B the words in which the captions differ."""
        captions = self.pool.items.captions
        return replacement_text(captions[reference], captions[target])


class AttributePairsConfig(Choice):
    """Settings of `AttributePairs`.

    Attributes:
        separator: between name and value of an attribute, "colour=red".
        unnamed: what an attribute without a name is. "column": the value of the column at its place, as the reader
            `catalog` writes them, empty where the item has none. "tag": one of a set, in any order.
    """

    name: Literal["attribute-pairs"] = "attribute-pairs"
    separator: str = Field("=", min_length=1)
    unnamed: Literal["column", "tag"] = "column"


@samplers.register("attribute-pairs")
class AttributePairs(PairSampler):
    """Pairs of items whose attributes differ in exactly one value: catalogues.

    An attribute is told by its name where it has one, "colour=red"; the order of such ones does not matter. An item
    with an empty value takes no part.
    """

    Config = AttributePairsConfig

    def parts(self, row: int) -> Parts:
        """Return the attributes, each in the slot of its name or column, sorted."""
        return tuple(sorted({self._part(*each) for each in enumerate(self.pool.items.attributes[row])}))

    def text(self, reference: int, target: int) -> str:
        """Return "replace A with B", A and B the values in which the attributes differ."""
        own, other = set(self.parts(reference)), set(self.parts(target))
        [(_, gone)], [(_, new)] = own - other, other - own
        return f"replace {gone} with {new}"

    def _part(self, place: int, attribute: str) -> tuple[str, str]:
        name, separator, value = attribute.partition(self.config.separator)
        if separator:
            return name, value
        return ("" if self.config.unnamed == "tag" else str(place)), attribute


def _choose(values: Sequence[T], draw: float) -> T:
    return values[int(draw * len(values))]
