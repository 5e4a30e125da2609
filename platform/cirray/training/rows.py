"""Triplets by Ray Data: read once, then held in the object store for all workers."""

from __future__ import annotations

import pyarrow as pa
import ray.data

from cirray.datasets import PreparedDataset

BLOCK = 8192
READING_CPUS = 0.1


def triplet_rows(dataset: PreparedDataset, split: str) -> ray.data.Dataset:
    """Return the triplets of one split, schema `TRIPLETS`, held in the object store."""

    def read(parts: pa.Table) -> pa.Table:
        return pa.concat_tables([dataset.part(name) for name in parts["name"].to_pylist()])

    names = [{"name": name} for name in dataset.artifact.names(f"triplets-{split}/")]
    # Little of a CPU each: where a node goes away with its blocks, they are read again on what the workers leave
    # free, which need not be a whole CPU on any one node.
    rows = ray.data.from_items(names).map_batches(read, batch_format="pyarrow", batch_size=1, num_cpus=READING_CPUS)
    # Materialised before the workers start: they then wait for no task, on a cluster whose CPUs they hold.
    held: ray.data.Dataset = rows.materialize()
    return held


def collect(rows: ray.data.DataIterator) -> pa.Table:
    """Return all rows of a worker's dataset as one table."""
    return pa.concat_tables(list(rows.iter_batches(batch_format="pyarrow", batch_size=BLOCK)))
