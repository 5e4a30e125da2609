"""Which examples of a batch go to which worker."""

from __future__ import annotations

from cirray.errors import ConfigError


def worker_share(step: int, batch_size: int, rank: int, world_size: int) -> slice:
    """Return this worker's share of one step's batch; the shares of all workers make up the batch.

    Args:
        step: of the epoch, from 0.
        batch_size: over all workers; a multiple of `world_size`.
        rank: of this worker, from 0.
        world_size: number of workers.
    """
    share = batch_size // world_size
    first = step * batch_size + rank * share
    return slice(first, first + share)


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
