"""What losses look at: a batch, and all that the model makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from cirray.composers import Retriever
from cirray.encoders import ImageFeatures, TextFeatures

T = TypeVar("T")


@dataclass(frozen=True)
class Texts:
    """Encoded texts.

    Attributes:
        tokens: (B, L) int64, padded with 0.
        lengths: (B,) int64.
        known: (B,) bool, false where there is no text, but a placeholder.
    """

    tokens: Tensor
    lengths: Tensor
    known: Tensor

    def rows(self, rows: slice) -> Texts:
        """Return a run of the texts."""
        return Texts(self.tokens[rows], self.lengths[rows], self.known[rows])


@dataclass(frozen=True)
class Batch:
    """Tensors of one worker's share of a step.

    Attributes:
        reference: (B, H, W, 3) uint8.
        tokens: (B, L) int64, of the modification texts, padded with 0.
        lengths: (B,) int64.
        target: (B, H, W, 3) uint8.
        reference_descriptions: of the references, where a loss needs them.
        target_descriptions: of the targets, where a loss needs them.
    """

    reference: Tensor
    tokens: Tensor
    lengths: Tensor
    target: Tensor
    reference_descriptions: Texts | None = None
    target_descriptions: Texts | None = None

    def __len__(self) -> int:
        """Return B."""
        return len(self.lengths)

    def rows(self, rows: slice) -> Batch:
        """Return a run of the examples."""
        return Batch(
            self.reference[rows],
            self.tokens[rows],
            self.lengths[rows],
            self.target[rows],
            self.reference_descriptions and self.reference_descriptions.rows(rows),
            self.target_descriptions and self.target_descriptions.rows(rows),
        )


class View:
    """A batch through the eyes of a model: everything is computed when it is first asked for, and once.

    So each loss takes what it needs, and what none needs costs nothing. Vectors are float32, whatever the model ran
    in, since distances between near neighbours need all the digits.

    Attributes:
        model: that is trained.
        batch: this worker's share.
        epoch: from 1.
    """

    def __init__(self, model: Retriever, batch: Batch, epoch: int = 1) -> None:
        self.model = model
        self.batch = batch
        self.epoch = epoch
        # Losses run without autocast; what they ask of the model must not.
        kind = batch.target.device.type
        self._autocast = (kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind))

    @cached_property
    def reference(self) -> ImageFeatures:
        """Features of the references."""
        return self._made("reference", lambda: self.model.encode_images(self.batch.reference))

    @cached_property
    def target(self) -> ImageFeatures:
        """Features of the targets."""
        return self._made("target", lambda: self.model.encode_images(self.batch.target))

    @cached_property
    def text(self) -> TextFeatures | None:
        """Features of the modification texts, where the composer uses them."""
        return self._made("text", lambda: self.model.encode_texts(self.batch.tokens, self.batch.lengths))

    @cached_property
    def queries(self) -> Tensor:
        """What the composer makes of references and texts, (B, D), not normalised."""
        return self._made("queries", self._compose).float()

    @cached_property
    def targets(self) -> Tensor:
        """Gallery vectors of the targets, (B, D), not normalised."""
        return self._made("targets", lambda: self.model.composer.embed(self.target)).float()

    @cached_property
    def references(self) -> Tensor:
        """Gallery vectors of the references, (B, D), not normalised."""
        return self._made("references", lambda: self.model.composer.embed(self.reference)).float()

    def scores(self, gallery: Tensor) -> Tensor:
        """Return how well each of the vectors `gallery` (N, D) fits each query, (B, N)."""
        if not self.model.composer.rescores:
            # Cosines: in half precision, near neighbours would tie.
            return self.model.composer.rescore(self.queries, None, gallery)
        text = self.text
        return self._by_model(lambda: self.model.composer.rescore(self.queries, text, gallery)).float()

    @cached_property
    def reference_descriptions(self) -> TextFeatures:
        """Features of the references' descriptions."""
        return self._made("reference_descriptions", lambda: self._encoded(self.batch.reference_descriptions))

    @cached_property
    def described_references(self) -> Tensor:
        """Vectors of the references' descriptions in the gallery's space, (B, D), not normalised."""
        return self._made(
            "described_references", lambda: self.model.composer.describe(self.reference_descriptions)
        ).float()

    @cached_property
    def target_descriptions(self) -> TextFeatures:
        """Features of the targets' descriptions."""
        return self._made("target_descriptions", lambda: self._encoded(self.batch.target_descriptions))

    @cached_property
    def described_targets(self) -> Tensor:
        """Vectors of the targets' descriptions in the gallery's space, (B, D), not normalised."""
        return self._made("described_targets", lambda: self.model.composer.describe(self.target_descriptions)).float()

    def _compose(self) -> Tensor:
        reference = self.reference if self.model.composer.uses_reference else None
        return self.model.composer.compose(reference, self.text)

    def _encoded(self, texts: Texts | None) -> TextFeatures:
        assert texts is not None, "a loss that looks at descriptions says so in `needs_descriptions`"
        return self.model.encode_descriptions(texts.tokens, texts.lengths)

    def _made(self, name: str, compute: Callable[[], T]) -> T:
        """Return what `compute` makes of the batch, under the attribute `name`; each of them comes by here once."""
        return self._by_model(compute)

    def _by_model(self, compute: Callable[[], T]) -> T:
        kind, dtype, enabled = self._autocast
        with torch.autocast(kind, dtype, enabled=enabled):
            return compute()
