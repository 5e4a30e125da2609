"""From a model and a prepared split to its recalls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cirray.datasets.pictures import Pixels
from cirray.datasets.pixels import PixelSource
from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.schema import joined
from cirray.datasets.streaming import open_source
from cirray.evaluation.ranking import Floats, Ints, RankingTask, target_ranks
from cirray.evaluation.recall import recall_at

CUTOFFS = (1, 5, 10, 50)
BATCH = 512


class RetrievalModel(Protocol):
    """What evaluation needs of a model."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of its pictures."""
        ...

    def embed_pixels(self, pixels: Pixels) -> Floats:
        """Return the gallery vectors (N, D), unit length, of `pixels` (N, H, W, 3)."""
        ...

    def compose_pixels(self, pixels: Pixels, texts: Sequence[str]) -> Floats:
        """Return the queries (N, D), unit length."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """Recalls of one model on one split.

    Attributes:
        split: which.
        num_queries: how many queries.
        num_gallery: how many gallery items.
        recalls: in percent, by "R@k".
    """

    split: str
    num_queries: int
    num_gallery: int
    recalls: dict[str, float]


def evaluate(
    model: RetrievalModel,
    dataset: PreparedDataset,
    split: str,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Return the recalls of `model` on all queries of `split`.

    The gallery is every item of the split; the reference is left out of its own ranking; an item counts as found
    when it has the target's label (the protocol of TIRG on CSS).

    Args:
        model: to evaluate.
        dataset: prepared.
        split: whose queries and gallery.
        progress: called with (batches done, batches in all).

    Raises:
        ArtifactError: the dataset has no such split.
    """
    pixels = open_source(dataset, model.image_size)
    task = _embed(model, dataset, split, pixels, progress or (lambda done, total: None))
    ranks = target_ranks(task)
    return Evaluation(split, len(task.queries), len(task.gallery), recall_at(ranks, CUTOFFS))


def _embed(
    model: RetrievalModel,
    dataset: PreparedDataset,
    split: str,
    pixels: PixelSource,
    progress: Callable[[int, int], None],
) -> RankingTask:
    row_of = {item: row for row, item in enumerate(dataset.items["item_id"].to_pylist())}
    labels = _codes(dataset.items["label"].to_pylist())
    triplets, gallery_table = dataset.triplets(split), dataset.gallery(split)
    gallery = np.array([row_of[item] for item in gallery_table["item_id"].to_pylist()], dtype=np.int64)
    references = np.array([row_of[item] for item in triplets["reference_id"].to_pylist()], dtype=np.int64)
    targets = np.array([row_of[item] for item in triplets["target_id"].to_pylist()], dtype=np.int64)
    texts = [joined(texts) for texts in triplets["texts"].to_pylist()]

    total = -(-len(gallery) // BATCH) + -(-len(texts) // BATCH)
    done = 0

    def in_batches(count: int, encode: Callable[[slice], Floats]) -> Floats:
        nonlocal done
        encoded = []
        for start in range(0, count, BATCH):
            encoded.append(encode(slice(start, start + BATCH)))
            done += 1
            progress(done, total)
        return np.concatenate(encoded)

    position = {row: place for place, row in enumerate(gallery.tolist())}
    return RankingTask(
        queries=in_batches(len(texts), lambda rows: model.compose_pixels(pixels[references[rows]], texts[rows])),
        gallery=in_batches(len(gallery), lambda rows: model.embed_pixels(pixels[gallery[rows]])),
        gallery_labels=labels[gallery],
        target_labels=labels[targets],
        excluded=np.array([position.get(row, -1) for row in references.tolist()], dtype=np.int64),
    )


def _codes(labels: Sequence[str]) -> Ints:
    _, codes = np.unique(np.asarray(labels, dtype=object).astype(str), return_inverse=True)
    return codes.astype(np.int64)
