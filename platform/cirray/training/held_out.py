"""The part of a training split that does not train, so that a run can be measured on what it never saw.

A reference is held out with all its triplets, so that no picture is asked about both in training and in validation.
Where the sampler makes pairs of the items itself, items are held out, and validation pairs them with one another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from cirray.batches import Pool, samplers
from cirray.datasets import PreparedDataset, triplets_table
from cirray.errors import DataError
from cirray.evaluation import protocol_of, protocols
from cirray.recipes import HoldOutConfig, RunConfig

HELD_OUT = "held-out"
"""What the part that a run holds out is called among the splits."""

MIN_QUERIES = 10
"""Below this a share of a split measures nothing."""


def held_out(ids: Iterable[str], hold_out: HoldOutConfig) -> list[bool]:
    """Return for each id whether it is held out; that follows from the id, the share and the seed alone."""
    below = int(hold_out.share * 2**64)
    return [int.from_bytes(hashlib.sha256(f"{hold_out.seed}/{name}".encode()).digest()[:8]) < below for name in ids]


def with_held_out(config: RunConfig, dataset: PreparedDataset) -> PreparedDataset:
    """Return a dataset as a run sees it: with the split "held-out", where it holds something out.

    Raises:
        DataError: the part is too small to measure anything.
    """
    if config.hold_out is None:
        return dataset
    validation = config.training.validation
    protocol = protocols[validation.protocol] if validation and validation.protocol else protocol_of(dataset.reader)
    marked, queries = held_out_part(config, dataset, {HELD_OUT, protocol.gallery.format(split=HELD_OUT)})
    return _HeldOut(dataset.artifact, marked=marked, queries=queries)


@dataclass(frozen=True, eq=False)
class _HeldOut(PreparedDataset):
    """A dataset that has what a run holds out as a split of its own."""

    marked: pa.Table = field(kw_only=True)
    queries: pa.Table = field(kw_only=True)

    @property
    def items(self) -> pa.Table:
        """All items, those of the held-out gallery marked."""
        return self.marked

    @property
    def splits(self) -> list[str]:
        """Names of the splits that have triplets, the held-out one among them."""
        return [*super().splits, HELD_OUT]

    def triplets(self, split: str) -> pa.Table:
        """Return the triplets of the held-out part, or of a split."""
        return self.queries if split == HELD_OUT else super().triplets(split)


def training_part(config: RunConfig, items: pa.Table, triplets: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the items and triplets that a run trains on.

    Args:
        config: of the run.
        items: schema `ITEMS` without pictures.
        triplets: of the run's split, schema `TRIPLETS`.
    """
    if config.hold_out is None:
        return items, triplets
    if samplers[config.training.sampler.name].uses_triplets:
        out = held_out(triplets["reference_id"].to_pylist(), config.hold_out)
        return items, triplets.filter(pa.array(np.logical_not(out)))
    out = held_out(items["item_id"].to_pylist(), config.hold_out)
    pairs = zip(items["splits"].to_pylist(), out, strict=True)
    return _with_splits(
        items, [[name for name in names if name != config.split or not is_out] for names, is_out in pairs]
    ), triplets


def held_out_part(config: RunConfig, dataset: PreparedDataset, names: Iterable[str]) -> tuple[pa.Table, pa.Table]:
    """Return all items, those of the held-out gallery marked as of the splits `names`, and the held-out triplets.

    The gallery has the references and targets of the held-out triplets.

    Raises:
        DataError: the part is too small to measure anything.
    """
    triplets = _held_out_triplets(config, dataset)
    if triplets.num_rows < MIN_QUERIES:
        raise DataError(
            f"{triplets.num_rows} queries are held out of split {config.split!r} of dataset {dataset.name!r}, where "
            f"{MIN_QUERIES} are the least.",
            hint="Hold out a larger share.",
        )
    shown = {*triplets["reference_id"].to_pylist(), *triplets["target_id"].to_pylist()}
    items, added = dataset.items, sorted(names)
    rows = zip(items["item_id"].to_pylist(), items["splits"].to_pylist(), strict=True)
    return _with_splits(items, [[*splits, *(added if item in shown else ())] for item, splits in rows]), triplets


def _held_out_triplets(config: RunConfig, dataset: PreparedDataset) -> pa.Table:
    if config.hold_out is None:
        return triplets_table([])
    if samplers[config.training.sampler.name].uses_triplets:
        triplets = dataset.triplets(config.split)
        return triplets.filter(pa.array(held_out(triplets["reference_id"].to_pylist(), config.hold_out)))
    return _held_out_pairs(config, dataset, config.hold_out)


def _held_out_pairs(config: RunConfig, dataset: PreparedDataset, hold_out: HoldOutConfig) -> pa.Table:
    """Return one pair for each held-out item that has a counterpart among them, as triplets."""
    items, sampler = dataset.items, config.training.sampler
    ids = items["item_id"].to_pylist()
    rows = zip(items["splits"].to_pylist(), held_out(ids, hold_out), strict=True)
    only = _with_splits(items, [[name for name in names if is_out] for names, is_out in rows])
    pool = Pool.of(only, triplets_table([]), config.split)
    found = samplers[sampler.name](sampler, pool).epoch(1, hold_out.seed, 0)
    drawn = zip(found.references.tolist(), found.targets.tolist(), found.texts, strict=True)
    categories = items["category"].to_pylist()
    return triplets_table(
        {
            "query_id": f"{number:08d}",
            "reference_id": ids[reference],
            "target_id": ids[target],
            "texts": [text],
            "category": categories[target],
        }
        for number, (reference, target, text) in enumerate(drawn)
    )


def _with_splits(items: pa.Table, splits: list[list[str]]) -> pa.Table:
    column = items.schema.get_field_index("splits")
    return items.set_column(column, items.schema.field(column), pa.array(splits, pa.list_(pa.string())))
