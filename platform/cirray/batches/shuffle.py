"""Triplets in random order, singly or with their like."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from cirray.batches.pool import Ints
from cirray.batches.sampler import TripletSampler, samplers
from cirray.config import Choice


class ShuffleConfig(Choice):
    """Settings of `Shuffle`: none."""

    name: Literal["shuffle"] = "shuffle"


@samplers.register("shuffle")
class Shuffle(TripletSampler):
    """All triplets, in random order."""

    Config = ShuffleConfig

    def order(self, batch_size: int, seed: int, epoch: int) -> Ints:
        """Return all rows of the pool, shuffled."""
        return np.random.default_rng([seed, epoch]).permutation(len(self.pool))


class SameReferenceConfig(Choice):
    """Settings of `SameReference`.

    Attributes:
        texts_per_source: how many examples in a row share their reference, where it has that many.
    """

    name: Literal["same-reference"] = "same-reference"
    texts_per_source: int = Field(2, ge=2)


@samplers.register("same-reference")
class SameReference(TripletSampler):
    """All triplets, in random order, with several of one reference in a row.

    TIRG's released code takes two on CSS and MIT-States (the paper does not say so): in a batch full of equal
    references, a model that ignores the text gains nothing. There the two are drawn anew each time; here an epoch
    takes each triplet once, and which of a reference's triplets meet is drawn anew each epoch.
    """

    Config = SameReferenceConfig

    def order(self, batch_size: int, seed: int, epoch: int) -> Ints:
        """Return all rows of the pool, in shuffled groups."""
        return grouped_order(self.pool.references, self.config.texts_per_source, seed, epoch)


def grouped_order(references: Ints, group: int, seed: int, epoch: int) -> Ints:
    """Return all rows, shuffled, with up to `group` of one reference in a row.

    Args:
        references: (N,) the reference of each row.
        group: how many.
        seed: of the run.
        epoch: from 0; each has an order of its own.
    """
    generator = np.random.default_rng([seed, epoch])
    shuffled = generator.permutation(len(references))
    by_reference = shuffled[np.argsort(references[shuffled], kind="stable")]
    _, first, counts = np.unique(references[by_reference], return_index=True, return_counts=True)
    place_within = np.arange(len(references)) - np.repeat(first, counts)
    starts = np.flatnonzero(place_within % group == 0)
    groups = np.split(by_reference, starts[1:])
    return np.concatenate([groups[place] for place in generator.permutation(len(groups))])
