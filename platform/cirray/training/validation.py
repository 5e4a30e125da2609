"""Recall while a run goes on, on queries that it does not train on and that are not the test's."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor

from cirray.composers import Retriever
from cirray.config import Config
from cirray.datasets import Pixels, PreparedDataset
from cirray.datasets.fitting import Fit
from cirray.encoders import Vocabulary
from cirray.evaluation import Protocol, Scorer, evaluate
from cirray.evaluation.candidates import classes_of
from cirray.evaluation.queries import query_sets
from cirray.evaluation.ranking import Floats
from cirray.recipes import RunConfig
from cirray.training.held_out import held_out_part

HELD_OUT = "held-out"
"""What the part that a run holds out is called among the splits."""

BATCH = 256
SECONDS_PER_QUERY = "seconds_per_query"
PARAMETERS = "parameters"


class Validation(Config):
    """What is measured after each epoch.

    Attributes:
        protocol: how queries are put, and what counts as found.
        split: of the dataset; None for what the run holds out.
    """

    protocol: Protocol
    split: str | None = None

    @property
    def measured(self) -> str:
        """Name of the split that is measured on."""
        return self.split or HELD_OUT

    def data(self, config: RunConfig, dataset: PreparedDataset) -> PreparedDataset:
        """Return the dataset of a run as it is measured on, which has the split `measured`.

        Raises:
            DataError: what is held out is too little.
        """
        return dataset if self.split else _HeldOut.of(config, dataset, self.protocol)

    def check(self, config: RunConfig, dataset: PreparedDataset) -> None:
        """Make sure that a run can be measured.

        Raises:
            ArtifactError: the dataset has no such split.
            DataError: the split and the protocol do not go together, or what is held out is too little.
        """
        data = self.data(config, dataset)
        if self.protocol.candidates is not None:
            classes_of(data, self.measured, self.protocol.candidates)
        else:
            query_sets(data, self.measured, self.protocol)


def metric_names(protocol: Protocol) -> list[str]:
    """Return the names of what a validation under a protocol measures."""
    recall = "accuracy" if protocol.candidates is not None else "R"
    return [
        *(f"{recall}@{cutoff}" for cutoff in protocol.cutoffs),
        *(f"R_subset@{cutoff}" for cutoff in protocol.subset_cutoffs),
        *(f"mAP@{cutoff}" for cutoff in protocol.map_cutoffs),
        "mean",
        SECONDS_PER_QUERY,
        PARAMETERS,
    ]


class Validator:
    """Measures a model on the validation queries of its run.

    Raises:
        DataError: what is held out is too little.
        ArtifactError: the dataset has no such split.
    """

    def __init__(
        self,
        config: RunConfig,
        dataset: PreparedDataset,
        validation: Validation,
        vocabulary: Vocabulary,
        device: torch.device,
    ) -> None:
        self._validation = validation
        self._dataset = validation.data(config, dataset)
        self._vocabulary = vocabulary
        self._device = device

    def __call__(self, model: Retriever) -> dict[str, float]:
        """Return the metrics in percent, the seconds that composing a query takes, and the number of parameters."""
        model.eval()
        live = _Live(model, self._vocabulary, self._device)
        found = evaluate(live, self._dataset, self._validation.measured, self._validation.protocol)
        return {
            **found.metrics,
            SECONDS_PER_QUERY: live.seconds / max(1, live.composed),
            PARAMETERS: float(sum(weight.numel() for weight in model.parameters())),
        }


@dataclass(frozen=True, eq=False)
class _HeldOut(PreparedDataset):
    """A dataset that has what a run holds out as a split of its own."""

    marked: pa.Table = field(kw_only=True)
    queries: pa.Table = field(kw_only=True)

    @classmethod
    def of(cls, config: RunConfig, dataset: PreparedDataset, protocol: Protocol) -> _HeldOut:
        """Return the dataset of a run, with its held-out part in the gallery that a protocol looks for."""
        names = dict.fromkeys((HELD_OUT, protocol.gallery.format(split=HELD_OUT)))
        marked, queries = held_out_part(config, dataset, names)
        return cls(dataset.artifact, marked=marked, queries=queries)

    @property
    def items(self) -> pa.Table:
        """All items, those of the held-out gallery marked."""
        return self.marked

    def triplets(self, split: str) -> pa.Table:
        """Return the triplets of the held-out part, or of a split."""
        return self.queries if split == HELD_OUT else super().triplets(split)


class _Live:
    """A model in training, as evaluation takes it; it counts what composing its queries takes."""

    def __init__(self, model: Retriever, vocabulary: Vocabulary, device: torch.device) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._device = device
        self.composed = 0
        self.seconds = 0.0

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of its pictures."""
        return self._model.config.preprocessing.size

    @property
    def image_fit(self) -> Fit:
        """How pictures are brought to that size."""
        return self._model.config.preprocessing.fit

    @property
    def scorer(self) -> Scorer | None:
        """What scores queries and gallery vectors, where it is not their dot product."""
        return self._rescore if self._model.composer.rescores else None

    @torch.inference_mode()
    def embed_pixels(self, pixels: Pixels) -> Floats:
        """Return the gallery vectors (N, D), unit length, of `pixels` (N, H, W, 3)."""
        return _joined([_unit(self._model.embed(self._tensor(pixels[rows]))) for rows in _batches(len(pixels))])

    @torch.inference_mode()
    def compose_pixels(self, pixels: Pixels, texts: Sequence[str]) -> Floats:
        """Return the queries (N, D), unit length."""
        started = time.perf_counter()
        ids, lengths = self._encode(texts)
        vectors = [
            _unit(self._model.compose(self._tensor(pixels[rows]), ids[rows], lengths[rows]))
            for rows in _batches(len(pixels))
        ]
        self.composed += len(texts)
        self.seconds += time.perf_counter() - started
        return _joined(vectors)

    @torch.inference_mode()
    def _rescore(self, queries: Floats, texts: Sequence[str], gallery: Floats) -> Floats:
        ids, lengths = self._encode(texts)
        items = self._tensor(gallery)
        scores = []
        for rows in _batches(len(queries)):
            text = self._model.encode_texts(ids[rows], lengths[rows])
            scores.append(self._model.composer.rescore(self._tensor(queries[rows]), text, items).float().cpu())
        return _joined([part.numpy() for part in scores])

    def _encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        ids, lengths = self._vocabulary.encode(texts)
        return self._tensor(ids), self._tensor(lengths)

    def _tensor(self, values: np.ndarray[Any, Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)


def _batches(count: int) -> Iterator[slice]:
    for start in range(0, count, BATCH):
        yield slice(start, start + BATCH)


def _unit(vectors: Tensor) -> Floats:
    found: Floats = F.normalize(vectors.float(), dim=1).cpu().numpy()
    return found


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate(parts)
