"""Retrieval by a model that is in training, on a split that it is not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor

from cirray.composers import Retriever
from cirray.datasets import PreparedDataset
from cirray.datasets.fitting import Fit
from cirray.datasets.pictures import Pixels
from cirray.encoders import Vocabulary
from cirray.errors import ConfigError
from cirray.evaluation import Protocol, Scorer, evaluate, protocol_of, protocols
from cirray.exact import Floats
from cirray.recipes import ValidationConfig
from cirray.training.world import World

AT_ONCE = 128
"""Pictures that a worker encodes at once."""


class Validation:
    """Says how well a model retrieves on a split, by the dataset's own protocol or another.

    With several workers each encodes its share of every batch of pictures, and all come to the same metrics.

    Args:
        config: which split, by which protocol.
        dataset: prepared.
        vocabulary: of the run.
        world: which worker this is.

    Raises:
        ConfigError: the dataset has no such split.
        UnknownNameError: there is no such protocol.
    """

    def __init__(
        self, config: ValidationConfig, dataset: PreparedDataset, vocabulary: Vocabulary, world: World
    ) -> None:
        self._protocol = protocol_for(config, dataset)
        self._config, self._dataset = config, dataset
        self._vocabulary, self._world = vocabulary, world

    def __call__(self, model: Retriever) -> dict[str, float]:
        """Return the metrics of `model`, which is in evaluation, in percent."""
        seen = _InTraining(model, self._vocabulary, self._world)
        return dict(evaluate(seen, self._dataset, self._config.split, self._protocol).metrics)


def protocol_for(config: ValidationConfig, dataset: PreparedDataset) -> Protocol:
    """Return the protocol of a validation.

    Raises:
        ConfigError: the dataset has no split, or the protocol no metric, of that name.
        UnknownNameError: there is no protocol of that name.
    """
    protocol = protocols[config.protocol] if config.protocol is not None else protocol_of(dataset.reader)
    # Pictures are classified without triplets.
    if protocol.candidates is None and config.split not in dataset.splits:
        raise ConfigError(
            f"training.validation.split is {config.split!r}; dataset {dataset.name!r} has the splits "
            f"{', '.join(dataset.splits)}.",
            hint="Set it to one of these, or training.validation to null.",
        )
    if config.metric not in (known := protocol.metric_names):
        raise ConfigError(
            f"training.validation.metric is {config.metric!r}; the metrics of protocol {protocol.name!r} are "
            f"{', '.join(known)}.",
            hint="Set it to one of these.",
        )
    return protocol


@dataclass(frozen=True)
class _InTraining:
    """A model in training, as evaluation wants it."""

    model: Retriever
    vocabulary: Vocabulary
    world: World

    @property
    def image_size(self) -> tuple[int, int]:
        return self.model.config.preprocessing.size

    @property
    def image_fit(self) -> Fit:
        return self.model.config.preprocessing.fit

    def embed_pixels(self, pixels: Pixels) -> Floats:
        return self._unit_vectors(len(pixels), lambda rows: self.model.embed(self._tensor(pixels[rows])))

    def compose_pixels(self, pixels: Pixels, texts: Sequence[str]) -> Floats:
        tokens, lengths = map(self._tensor, self.vocabulary.encode(texts))
        return self._unit_vectors(
            len(pixels),
            lambda rows: self.model.compose(self._tensor(pixels[rows]), tokens[rows], lengths[rows]),
        )

    @property
    def scorer(self) -> Scorer | None:
        return self._rescore if self.model.composer.rescores else None

    @torch.no_grad()
    def _rescore(self, queries: Floats, texts: Sequence[str], gallery: Floats) -> Floats:
        tokens, lengths = map(self._tensor, self.vocabulary.encode(texts))
        text = self.model.encode_texts(tokens, lengths)
        scores = self.model.composer.rescore(self._tensor(queries), text, self._tensor(gallery))
        found: Floats = scores.float().cpu().numpy()
        return found

    @torch.no_grad()
    def _unit_vectors(self, count: int, encode: Callable[[slice], Tensor]) -> Floats:
        """Return the vectors of `count` rows, of which each worker encodes as many as the others."""
        share = -(-count // self.world.size)
        # The last workers repeat rows rather than have fewer.
        starts = [min(rank * share, count - share) for rank in range(self.world.size)]
        first = starts[self.world.rank]
        pieces = [slice(start, min(start + AT_ONCE, first + share)) for start in range(first, first + share, AT_ONCE)]
        own = F.normalize(torch.cat([encode(rows).float() for rows in pieces]), dim=1)
        everyone = [own]
        if len(starts) > 1:
            everyone = [torch.empty_like(own) for _ in starts]
            dist.all_gather(everyone, own)
        vectors = np.empty((count, own.shape[1]), dtype=np.float32)
        for start, rows in zip(starts, everyone, strict=True):
            vectors[start : start + share] = rows.cpu().numpy()
        return vectors

    def _tensor(self, values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.world.device)
