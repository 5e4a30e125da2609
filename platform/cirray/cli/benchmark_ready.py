"""Batches that were made beforehand: what no ingest can be faster than."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from itertools import islice

from cirray.objectives import Batch
from cirray.training.data import TrainingData
from cirray.training.world import World


class ReadyData(TrainingData):
    """The batches of the first epoch, held in memory, in every epoch.

    Args:
        data: that they are made from.
        steps: of an epoch, or all there are.
    """

    def __init__(self, data: TrainingData, steps: int | None = None) -> None:
        self.pixels, self.steps = data.pixels, min(steps or data.steps, data.steps)
        with closing(data.batches(0, 0, World())) as batches:
            self._ready = list(islice(batches, self.steps))

    def batches(self, epoch: int, first_step: int, world: World) -> Generator[Batch, None, None]:
        """Yield the batches of the first epoch."""
        yield from self._ready[first_step:]
