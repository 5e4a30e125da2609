"""Batches of one category each."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np

from cirray.batches.pool import Ints
from cirray.batches.sampler import TripletSampler, samplers
from cirray.config import Choice
from cirray.errors import ConfigError


class CategoryPureConfig(Choice):
    """Settings of `CategoryPure`: none."""

    name: Literal["category-pure"] = "category-pure"


@samplers.register("category-pure")
class CategoryPure(TripletSampler):
    """Batches of one category each, in random order: on FashionIQ, of dresses, of shirts or of tops.

    The other candidates of a batch are then those that the gallery of the category has too. What does not fill a
    batch of its category waits for another epoch's order.
    """

    Config = CategoryPureConfig

    def steps(self, batch_size: int) -> int:
        """Return the number of whole batches of all categories together.

        Raises:
            ConfigError: no category has enough for one.
        """
        steps = sum(len(rows) // batch_size for rows in self._by_category.values())
        if not steps:
            sizes = {name or "(none)": len(rows) for name, rows in self._by_category.items()}
            largest = max(sizes.values(), default=0)
            raise ConfigError(
                f"training.batch_size is {batch_size}, but the categories have: {sizes}.",
                hint=f"Set training.batch_size to {largest} or less.",
            )
        return steps

    def order(self, batch_size: int, seed: int, epoch: int) -> Ints:
        """Return rows of the pool, each run of `batch_size` of one category."""
        generator = np.random.default_rng([seed, epoch])
        batches: list[Ints] = []
        for rows in self._by_category.values():
            shuffled = generator.permutation(rows)
            whole = len(rows) // batch_size * batch_size
            batches += list(shuffled[:whole].reshape(-1, batch_size))
        return np.concatenate([batches[place] for place in generator.permutation(len(batches))])

    @cached_property
    def _by_category(self) -> dict[str, Ints]:
        categories = np.asarray(self.pool.categories, dtype=object)
        return {name: np.flatnonzero(categories == name) for name in sorted(set(self.pool.categories))}
