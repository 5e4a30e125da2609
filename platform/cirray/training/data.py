"""From a run's configuration to the batches of each worker."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from cirray.batches import Augmentation, Examples, Pool, Sampler, augment, augmentations, samplers
from cirray.datasets import Pixels, PixelSource, PreparedDataset, triplets_table
from cirray.encoders import Vocabulary
from cirray.encoders.vocabulary import Ids
from cirray.errors import DataError
from cirray.objectives import Batch, Texts, needs_descriptions
from cirray.recipes import RunConfig
from cirray.training.ahead import ahead
from cirray.training.held_out import training_part
from cirray.training.inspection import ExampleNote
from cirray.training.randomness import AUGMENTATION, step_seed
from cirray.training.sampling import worker_share
from cirray.training.tokens import TokenIds
from cirray.training.world import World


def uses_triplets(config: RunConfig) -> bool:
    """Return whether a run draws from its dataset's triplets, rather than making pairs of the items itself."""
    return samplers[config.training.sampler.name].uses_triplets


def make_sampler(config: RunConfig, dataset: PreparedDataset, triplets: pa.Table | None = None) -> Sampler:
    """Return the sampler of a run.

    Args:
        config: of the run.
        dataset: prepared.
        triplets: of the run's split, in any order, where they are at hand.

    Raises:
        ArtifactError: the dataset has no such split.
        DataError: the split has no triplets, where the sampler needs some, or their targets are not public.
    """
    if triplets is None:
        triplets = _triplets(config, dataset)
    training = config.training
    items, triplets = training_part(config, dataset.items, triplets)
    pool = Pool.of(items, triplets, config.split, training.texts, training.joiner)
    if uses_triplets(config) and not len(pool):
        raise DataError(
            f"Split {config.split!r} of dataset {dataset.name!r} has no triplets, which the sampler "
            f"{training.sampler.name!r} needs.",
            hint="Set training.sampler to {name: caption-pairs} or {name: attribute-pairs}, which pair items.",
        )
    return samplers[training.sampler.name](training.sampler, pool)


def _triplets(config: RunConfig, dataset: PreparedDataset) -> pa.Table:
    items_only = config.split not in dataset.splits and dataset.gallery(config.split).num_rows > 0
    if items_only or not uses_triplets(config):
        return triplets_table([])
    return dataset.triplets(config.split)


def training_texts(config: RunConfig, sampler: Sampler) -> Iterator[str]:
    """Yield texts that have all the words that training meets, for the vocabulary.

    Raises:
        DataError: a loss looks at descriptions of items, and no item has one.
    """
    yield from sampler.texts()
    if needs_descriptions(config.objective):
        found = [text for text in map(sampler.pool.items.description, sampler.pool.items.members.tolist()) if text]
        if not found:
            raise DataError(
                f"A loss of {config.name} looks at the items' descriptions, of which dataset {config.dataset!r} has "
                f"none in split {config.split!r}.",
                hint="Give the items captions or attributes, or leave the loss out.",
            )
        yield from found


class TrainingData:
    """All that batches are cut from.

    Attributes:
        pixels: of all items.
        steps: in an epoch.
    """

    def __init__(self, config: RunConfig, sampler: Sampler, vocabulary: Vocabulary, pixels: PixelSource) -> None:
        self.pixels = pixels
        self.steps = sampler.steps(config.training.batch_size)
        self._config = config
        self._sampler = sampler
        self._tokens = TokenIds(vocabulary)
        self._described = needs_descriptions(config.objective)
        self._augmentations: list[Augmentation] = [
            augmentations[chosen.name](chosen) for chosen in config.training.augmentations
        ]

    def batches(self, epoch: int, first_step: int, world: World) -> Generator[Batch, None, None]:
        """Yield this worker's batches of an epoch, from a step on; the next ones are made ahead in a thread."""
        return ahead(self._assemble(epoch, first_step, world))

    def _assemble(self, epoch: int, first_step: int, world: World) -> Iterator[Batch]:
        config = self._config
        size = config.training.batch_size
        examples = self._sampler.epoch(size, config.seed, epoch)
        shares = [
            examples.take(worker_share(step, size, world.rank, world.size)) for step in range(first_step, self.steps)
        ]
        rows = (np.concatenate([share.references, share.targets]) for share in shares)
        with closing(_closable(self.pixels.batches(rows))) as pictures:
            for step, (share, pixels) in enumerate(zip(shares, pictures, strict=True), start=first_step):
                generator = torch.Generator().manual_seed(step_seed(config.seed, epoch, step, AUGMENTATION))
                whole = examples.take(worker_share(step, size, 0, 1))
                yield self._batch(share, whole, pixels, generator, world)

    def notes(self, epoch: int, step: int, world: World) -> list[ExampleNote]:
        """Return what the examples of this worker's share of a step are."""
        size, items = self._config.training.batch_size, self._sampler.pool.items
        examples = self._sampler.epoch(size, self._config.seed, epoch)
        share = examples.take(worker_share(step, size, world.rank, world.size))

        def name(row: int) -> str:
            return items.ids[row] if items.ids else str(row)

        rows = zip(share.references.tolist(), share.targets.tolist(), share.texts, strict=True)
        return [ExampleNote(name(reference), name(target), text) for reference, target, text in rows]

    def _batch(
        self, share: Examples, whole: Examples, pixels: Pixels, generator: torch.Generator, world: World
    ) -> Batch:
        device, first = world.device, world.rank * len(share)
        ids, lengths = (each[first : first + len(share)] for each in self._tokens(whole.texts))
        reference, target = _tensor(pixels, device).split(len(share))
        if self._augmentations:
            reference, target = augment(
                self._augmentations, reference, target, generator, first=first, whole=len(whole)
            )
        return Batch(
            reference,
            _tensor(ids, device),
            _tensor(lengths, device),
            target,
            self._descriptions(share.references, device),
            self._descriptions(share.targets, device),
        )

    def _descriptions(self, rows: Ids, device: torch.device) -> Texts | None:
        if not self._described:
            return None
        texts = [self._sampler.pool.items.description(int(row)) for row in rows]
        ids, lengths = self._tokens(texts)
        known = torch.tensor([bool(text) for text in texts], device=device)
        return Texts(_tensor(ids, device), _tensor(lengths, device), known)


def _tensor(values: Ids | Pixels, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    if device.type == "cuda":
        # From pinned memory, the copy goes on while the previous step computes.
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _closable(pixels: Iterator[Pixels]) -> Generator[Pixels, None, None]:
    yield from pixels
