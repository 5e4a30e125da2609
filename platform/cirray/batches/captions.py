"""Items with their own captions, for methods that compose words alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from cirray.batches.pool import Examples, Ints
from cirray.batches.sampler import Sampler, samplers
from cirray.config import Choice
from cirray.errors import ConfigError


class CaptionsConfig(Choice):
    """Settings of `Captions`: none."""

    name: Literal["captions"] = "captions"


@samplers.register("captions")
class Captions(Sampler):
    """Each captioned item of the split once an epoch: the text is its caption, the target the item itself.

    For composers that use no reference, such as TIRG over compositions on MIT-States; the reference, which an example
    must have, is the item too.
    """

    Config = CaptionsConfig
    uses_triplets: ClassVar[bool] = False

    @property
    def size(self) -> int:
        """The number of items that have a caption."""
        return len(self._captioned)

    def steps(self, batch_size: int) -> int:
        """Return the number of whole batches.

        Raises:
            ConfigError: there is not even one.
        """
        if not self.size:
            raise ConfigError(
                f"None of the {len(self.pool.items.members)} training items has a caption, as the sampler 'captions' "
                "wants it.",
                hint="Set training.sampler to {name: shuffle}, which takes the triplets of the dataset.",
            )
        return super().steps(batch_size)

    def epoch(self, batch_size: int, seed: int, epoch: int) -> Examples:
        """Return the items in random order."""
        rows = np.random.default_rng([seed, epoch]).permutation(self._captioned)
        return Examples(rows, rows, [self.pool.items.captions[row] for row in rows.tolist()])

    def texts(self) -> Iterator[str]:
        """Yield the captions."""
        for row in self._captioned.tolist():
            yield self.pool.items.captions[row]

    @cached_property
    def _captioned(self) -> Ints:
        rows = [row for row in self.pool.items.members.tolist() if self.pool.items.captions[row].strip()]
        return np.array(rows, dtype=np.int64)
