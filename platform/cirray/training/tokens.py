"""Triplets with their texts as token ids, by Ray Data."""

from __future__ import annotations

import pyarrow as pa
import ray.data

from cirray.datasets import PreparedDataset, joined
from cirray.encoders import Vocabulary

BLOCK = 8192


def tokenised(dataset: PreparedDataset, split: str, vocabulary: Vocabulary) -> ray.data.Dataset:
    """Return the triplets of one split with a column `tokens` (list of int64), held in the object store."""

    def tokenise(parts: pa.Table) -> pa.Table:
        triplets = pa.concat_tables([dataset.part(name) for name in parts["name"].to_pylist()])
        ids, lengths = vocabulary.encode([joined(texts) for texts in triplets["texts"].to_pylist()])
        tokens = [row[:length].tolist() for row, length in zip(ids, lengths, strict=True)]
        return triplets.append_column("tokens", pa.array(tokens, type=pa.list_(pa.int64())))

    names = [{"name": name} for name in dataset.artifact.names(f"triplets-{split}/")]
    rows = ray.data.from_items(names).map_batches(tokenise, batch_format="pyarrow", batch_size=1)
    # Materialised before the workers start: they then wait for no task, on a cluster whose CPUs they hold.
    held: ray.data.Dataset = rows.materialize()
    return held


def collect(rows: ray.data.DataIterator) -> pa.Table:
    """Return all rows of a worker's dataset as one table."""
    return pa.concat_tables(list(rows.iter_batches(batch_format="pyarrow", batch_size=BLOCK)))
