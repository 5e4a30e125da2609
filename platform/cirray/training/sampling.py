"""Which triplets go into which step, on which worker: a function of seed and epoch alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cirray.errors import ConfigError

Ints = npt.NDArray[np.int64]


def epoch_order(references: Ints, queries_per_reference: int, seed: int, epoch: int) -> Ints:
    """Return all triplets' rows, shuffled, with up to `queries_per_reference` of one reference in a row.

    Args:
        references: (N,) the reference of each triplet.
        queries_per_reference: 1 shuffles triplets singly.
        seed: of the run.
        epoch: from 0; each has an order of its own.
    """
    generator = np.random.default_rng([seed, epoch])
    shuffled = generator.permutation(len(references))
    if queries_per_reference == 1:
        return shuffled
    by_reference = shuffled[np.argsort(references[shuffled], kind="stable")]
    sorted_references = references[by_reference]
    _, first, counts = np.unique(sorted_references, return_index=True, return_counts=True)
    place_within = np.arange(len(references)) - np.repeat(first, counts)
    starts = np.flatnonzero(place_within % queries_per_reference == 0)
    groups = np.split(by_reference, starts[1:])
    return np.concatenate([groups[group] for group in generator.permutation(len(groups))])


def steps_in_epoch(num_triplets: int, batch_size: int) -> int:
    """Return the number of whole batches; what remains waits for another epoch's order.

    Raises:
        ConfigError: there are fewer triplets than one batch takes.
    """
    if num_triplets < batch_size:
        raise ConfigError(
            f"training.batch_size is {batch_size}, but there are only {num_triplets} training triplets.",
            hint=f"Set training.batch_size to {num_triplets} or less.",
        )
    return num_triplets // batch_size


def worker_rows(order: Ints, step: int, batch_size: int, rank: int, world_size: int) -> Ints:
    """Return this worker's share of one step's batch; the shares of all workers make up the batch.

    Args:
        order: of the epoch.
        step: from 0.
        batch_size: over all workers; a multiple of `world_size`.
        rank: of this worker, from 0.
        world_size: number of workers.
    """
    share = batch_size // world_size
    first = step * batch_size + rank * share
    return order[first : first + share]


def check_divisible(batch_size: int, world_size: int) -> None:
    """Make sure that every worker gets an equal share of a batch.

    Raises:
        ConfigError: it would not.
    """
    if batch_size % world_size:
        raise ConfigError(
            f"training.batch_size {batch_size} cannot be shared equally by {world_size} workers.",
            hint=f"Set it to a multiple of {world_size}.",
        )
