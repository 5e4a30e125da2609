"""The one shape of all samplers, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from cirray.batches.pool import Examples, Ints, Pool
from cirray.config import Choice
from cirray.errors import ConfigError
from cirray.registry import Registry


class Sampler(ABC):
    """Says which examples an epoch has, and in what order: batches are consecutive runs of it.

    Both follow from seed and epoch alone, so that any number of workers cut the same batches, and a run that was
    interrupted goes on in the middle of an epoch.

    Attributes:
        Config: settings of the sampler.
        uses_triplets: whether it draws from triplets, rather than making pairs of items itself.
    """

    Config: ClassVar[type[Choice]]
    uses_triplets: ClassVar[bool] = True

    def __init__(self, config: Any, pool: Pool) -> None:
        self.config = config
        self.pool = pool

    def steps(self, batch_size: int) -> int:
        """Return the number of whole batches, the same in every epoch; what remains waits for another epoch.

        Raises:
            ConfigError: there is not even one.
        """
        return steps_in_epoch(self.size, batch_size)

    @property
    def size(self) -> int:
        """The number of examples in an epoch."""
        return len(self.pool)

    @abstractmethod
    def epoch(self, batch_size: int, seed: int, epoch: int) -> Examples:
        """Return the examples of an epoch, from 0, at least `steps` batches of them."""

    def texts(self) -> Iterator[str]:
        """Yield texts that have all the words that an epoch's texts can have, for the vocabulary."""
        yield from self.pool.all_texts()


class TripletSampler(Sampler):
    """A sampler that puts the triplets of the split in an order."""

    def epoch(self, batch_size: int, seed: int, epoch: int) -> Examples:
        """Return the triplets in the epoch's order, each with its text in this epoch."""
        return self.pool.examples(self.order(batch_size, seed, epoch), seed, epoch)

    @abstractmethod
    def order(self, batch_size: int, seed: int, epoch: int) -> Ints:
        """Return rows of the pool."""


def steps_in_epoch(num_examples: int, batch_size: int) -> int:
    """Return the number of whole batches; what remains waits for another epoch's order.

    Raises:
        ConfigError: there are fewer examples than one batch takes.
    """
    if num_examples < batch_size:
        raise ConfigError(
            f"training.batch_size is {batch_size}, but there are only {num_examples} training examples.",
            hint=f"Set training.batch_size to {num_examples} or less.",
        )
    return num_examples // batch_size


samplers: Registry[type[Sampler]] = Registry("sampler")
