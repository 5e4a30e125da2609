"""Queries on which a new index is tried before it is published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import pyarrow as pa

from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.schema import joined
from cirray.index.embed import embed_pictures
from cirray.index.embedder import Embedder, Vectors


@dataclass(frozen=True)
class Probes:
    """Queries and what each must not find.

    Attributes:
        queries: (Q, D) float32, L2-normalised.
        exclude: the reference of each query.
        asked: what the queries are: composed of references and texts, or pictures of the gallery.
    """

    queries: Vectors
    exclude: list[list[str]]
    asked: Literal["composed", "gallery"]


def make_probes(embedder: Embedder, dataset: PreparedDataset, split: str, count: int, batch_size: int) -> Probes:
    """Return at most `count` queries: composed from triplets of the split, evenly spaced over all of them.

    A catalogue has a gallery and no triplets. There the first pictures of the gallery are asked for themselves.
    """
    if split in dataset.splits:
        return _composed(embedder, dataset, split, count, batch_size)
    found = list(islice(_gallery(dataset, split), count))
    pictures = [picture for _, picture in found]
    return Probes(embed_pictures(embedder, pictures, batch_size), [[item_id] for item_id, _ in found], "gallery")


def _composed(embedder: Embedder, dataset: PreparedDataset, split: str, count: int, batch_size: int) -> Probes:
    triplets = dataset.triplets(split)
    rows = np.unique(np.linspace(0, triplets.num_rows - 1, min(count, triplets.num_rows)).astype(np.int64))
    chosen = triplets.take(pa.array(rows))
    references = chosen["reference_id"].to_pylist()
    texts = [joined(texts) for texts in chosen["texts"].to_pylist()]
    # Items are stored in the order of their ids, so in this order each part is read once.
    pictures = {item_id: dataset.image(item_id) for item_id in sorted(set(references))}
    batches = [np.zeros((0, embedder.dim), np.float32)]
    for start in range(0, len(references), batch_size):
        batch = slice(start, start + batch_size)
        batches.append(embedder.compose([pictures[i] for i in references[batch]], texts[batch]))
    return Probes(np.concatenate(batches), [[reference] for reference in references], "composed")


def _gallery(dataset: PreparedDataset, split: str) -> Iterator[tuple[str, bytes]]:
    for part in dataset.item_parts:
        for row in dataset.part(part, ["item_id", "splits", "image"]).to_pylist():
            if split in row["splits"]:
                yield row["item_id"], row["image"]
