"""What samplers draw from: the items and triplets of a split, and which of a triplet's texts are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cirray.datasets.schema import joined
from cirray.errors import DataError

Ints = npt.NDArray[np.int64]

TextUse = Literal["joined", "joined-anew", "each", "one-anew", "mixed-anew"]
"""What becomes of the several texts of one triplet, such as the two captions of FashionIQ.

"joined": one text of them all, in their order. "joined-anew": likewise, in an order drawn anew each epoch. "each": an
example for each text. "one-anew": one of them, drawn anew each epoch. "mixed-anew": with equal chance one of them, or
all joined, in an order drawn anew; of two captions this is each caption, and each order of both, a quarter of the
time, as CLIP4Cir trains.
"""

_TEXT_STREAM = 1
"""Keeps the draws of texts apart from those of the order, which take (seed, epoch) alone."""


@dataclass(frozen=True)
class Examples:
    """Examples in the order in which they are trained on.

    Attributes:
        references: (N,) rows of items.
        targets: (N,) rows of items.
        texts: N modification texts.
    """

    references: Ints
    targets: Ints
    texts: Sequence[str]

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.references)

    def take(self, rows: slice) -> Examples:
        """Return a run of the examples."""
        return Examples(self.references[rows], self.targets[rows], self.texts[rows])


@dataclass(frozen=True)
class Items:
    """What is known of the items of a dataset, row by row.

    Attributes:
        captions: of each item.
        categories: of each item; empty where the dataset has none.
        attributes: tags of each item.
        members: (M,) rows of the items in the split that is trained on.
        ids: of the items, for people.
    """

    captions: Sequence[str]
    categories: Sequence[str]
    attributes: Sequence[tuple[str, ...]]
    members: Ints
    ids: Sequence[str] = ()

    def description(self, row: int) -> str:
        """Return the words that describe an item as a whole: its caption, or else its tags; empty without either."""
        return self.captions[row] or " ".join(self.attributes[row])


@dataclass(frozen=True)
class Pool:
    """The items and triplets of one split.

    Attributes:
        items: of the dataset.
        references: (N,) rows of items, one for each triplet.
        targets: (N,) rows of items.
        texts: the texts of each triplet, none of them empty.
        categories: of each triplet.
        use: what becomes of the texts.
        joiner: what stands between texts that are joined.
    """

    items: Items
    references: Ints
    targets: Ints
    texts: Sequence[tuple[str, ...]]
    categories: Sequence[str]
    use: TextUse = "joined"
    joiner: str = " and "

    @classmethod
    def of(
        cls, items: pa.Table, triplets: pa.Table, split: str, use: TextUse = "joined", joiner: str = " and "
    ) -> Pool:
        """Return the pool of tables of schema `ITEMS` (without pictures), by id, and `TRIPLETS`, in any order.

        Raises:
            DataError: a triplet's target is not public.
        """
        triplets = triplets.sort_by("query_id")
        if hidden := triplets["target_id"].to_pylist().count(""):
            raise DataError(
                f"{hidden:,} of the {triplets.num_rows:,} triplets of split {split!r} have no public target.",
                hint="Train on another split.",
            )
        ids = items["item_id"].to_pylist()
        row_of = {item: row for row, item in enumerate(ids)}
        columns = [triplets[name].to_pylist() for name in ("reference_id", "target_id", "category", "texts")]
        categories = items["category"].to_pylist()
        texts: list[tuple[str, ...]] = []
        rows: list[tuple[int, int, str]] = []
        for reference, target, category, given in zip(*columns, strict=True):
            found = tuple(text for text in given if text.strip())
            for each in [(text,) for text in found] if use == "each" else [found]:
                texts.append(each)
                rows.append((row_of[reference], row_of[target], category or categories[row_of[target]]))
        known = Items(
            captions=items["caption"].to_pylist(),
            categories=categories,
            attributes=[tuple(tags) for tags in items["attributes"].to_pylist()],
            members=np.flatnonzero([split in splits for splits in items["splits"].to_pylist()]),
            ids=ids,
        )
        references = np.array([row[0] for row in rows], dtype=np.int64)
        targets = np.array([row[1] for row in rows], dtype=np.int64)
        return cls(known, references, targets, texts, [row[2] for row in rows], use, joiner)

    def __len__(self) -> int:
        """Return the number of triplets, or of their texts where each is an example."""
        return len(self.references)

    @cached_property
    def joined(self) -> list[str]:
        """The texts of each triplet as one."""
        return [joined(texts, self.joiner) for texts in self.texts]

    def examples(self, order: Ints, seed: int, epoch: int) -> Examples:
        """Return the triplets of `order`, each with its text in this epoch."""
        texts = self._drawn(seed, epoch) if self.use.endswith("-anew") else self.joined
        return Examples(self.references[order], self.targets[order], [texts[row] for row in order.tolist()])

    def all_texts(self) -> Iterator[str]:
        """Yield texts that have all the words that an epoch's texts can have."""
        yield from self.joined

    def _drawn(self, seed: int, epoch: int) -> list[str]:
        generator = np.random.default_rng([seed, epoch, _TEXT_STREAM])
        # Two numbers a triplet, whatever is done with them, so that none depends on how many texts another has.
        draws = generator.random((len(self.texts), 2))
        return [self._draw(texts, *draw) for texts, draw in zip(self.texts, draws.tolist(), strict=True)]

    def _draw(self, texts: tuple[str, ...], kind: float, which: float) -> str:
        if self.use == "one-anew" or (self.use == "mixed-anew" and kind < 0.5):
            return joined([texts[int(which * len(texts))]])
        return joined(_permuted(texts, which), self.joiner)


def _permuted(texts: tuple[str, ...], which: float) -> list[str]:
    """Return the texts in one of their orders; `which`, in [0, 1), says which."""
    left, ordered = list(texts), []
    while left:
        place = which * len(left)
        ordered.append(left.pop(int(place)))
        which = place - int(place)
    return ordered
