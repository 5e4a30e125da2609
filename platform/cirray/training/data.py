"""Training triplets in memory, and the batches cut from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from cirray.datasets.pictures import Pixels
from cirray.datasets.prepared import PreparedDataset
from cirray.training.sampling import Ints


@dataclass(frozen=True)
class Batch:
    """Tensors of one worker's share of a step: what `Retriever.forward` takes."""

    reference: Tensor
    tokens: Tensor
    lengths: Tensor
    target: Tensor


@dataclass(frozen=True)
class TrainingData:
    """All training triplets as rows of arrays, and the pixels that they point into.

    Attributes:
        pixels: (num_items, H, W, 3) uint8.
        references: (N,) row of `pixels` of each triplet's reference.
        targets: (N,) row of each triplet's target.
        tokens: (N, T) token ids.
        lengths: (N,) number of tokens.
    """

    pixels: Pixels
    references: Ints
    targets: Ints
    tokens: Ints
    lengths: Ints

    @classmethod
    def of(cls, dataset: PreparedDataset, pixels: Pixels, triplets: pa.Table) -> TrainingData:
        """Return the data of tokenised triplets: `TRIPLETS` columns and `tokens`, in any order."""
        triplets = triplets.sort_by("query_id")
        row_of = {item: row for row, item in enumerate(dataset.items["item_id"].to_pylist())}

        def rows(column: str) -> Ints:
            return np.array([row_of[item] for item in triplets[column].to_pylist()], dtype=np.int64)

        texts = triplets["tokens"].to_pylist()
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        tokens = np.zeros((len(texts), max(lengths, default=1)), dtype=np.int64)
        for row, text in zip(tokens, texts, strict=True):
            row[: len(text)] = text
        return cls(pixels, rows("reference_id"), rows("target_id"), tokens, lengths)

    def __len__(self) -> int:
        """Return the number of triplets."""
        return len(self.references)

    def batch(self, rows: Ints, device: torch.device) -> Batch:
        """Return the batch of the triplets in `rows`, on `device`."""

        def tensor(values: Ints | Pixels) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(device, non_blocking=True)

        return Batch(
            reference=tensor(self.pixels[self.references[rows]]),
            tokens=tensor(self.tokens[rows]),
            lengths=tensor(self.lengths[rows]),
            target=tensor(self.pixels[self.targets[rows]]),
        )
