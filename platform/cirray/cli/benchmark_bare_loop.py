"""A training loop as one writes it by hand: what ours is measured against, step for step the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor, nn

from cirray.composers import Retriever
from cirray.encoders import Vocabulary
from cirray.objectives import Batch
from cirray.objectives.batch_classification import BatchClassificationConfig
from cirray.recipes import RunConfig
from cirray.training.compilation import compile_encoder
from cirray.training.optimization import make_optimizer, make_schedule
from cirray.training.world import CPU


@dataclass(frozen=True)
class Form:
    """In which form the step is computed; by default in that of our own loop on the CPU.

    Attributes:
        device: that computes.
        channels_last: whether convolutions and pictures have their channels last in memory.
        bf16: whether the model computes in bfloat16.
        compiled: whether the image encoder is compiled.
    """

    device: torch.device = CPU
    channels_last: bool = True
    bf16: bool = False
    compiled: bool = False


class _Step(nn.Module):
    """A model and batch classification: each query must pick its target out of the batch."""

    def __init__(self, model: Retriever, scale: float, bf16: bool) -> None:
        super().__init__()
        self.model = model
        self.scale = nn.Parameter(torch.tensor(scale))
        self.bf16 = bf16

    def forward(self, batch: Batch) -> Tensor:
        """Return the loss."""
        with torch.autocast(batch.target.device.type, torch.bfloat16, enabled=self.bf16):
            queries = self.model.compose(batch.reference, batch.tokens, batch.lengths)
            targets = self.model.embed(batch.target)
        logits = self._scaled(queries) @ self._scaled(targets).T
        return F.cross_entropy(logits, torch.arange(len(batch), device=logits.device))

    def _scaled(self, vectors: Tensor) -> Tensor:
        return self.scale * F.normalize(vectors.float(), dim=1)


class BareLoop:
    """Model, loss, optimiser and schedule of a recipe, their weights drawn as ours are, and a loop over batches.

    It keeps what decides about the step: the clipped gradient, the schedule, and dropout's seed, which comes with
    each batch. It has no reports, checks, checkpoints or workers, and decodes nothing.

    Args:
        config: of the run; its loss must be batch classification as queries pick targets.
        vocabulary: of the run.
        steps_in_epoch: for the schedule.
        form: of the step.
    """

    def __init__(
        self, config: RunConfig, vocabulary: Vocabulary, steps_in_epoch: int, form: Form | None = None
    ) -> None:
        form = form or Form()
        loss = config.objective["retrieval"]
        assert len(config.objective) == 1
        assert isinstance(loss, BatchClassificationConfig)
        assert loss.direction == "to-targets"
        torch.manual_seed(config.seed)
        model = Retriever(config.model, vocabulary)
        step = _Step(model, loss.scale, form.bf16).to(form.device)
        if form.channels_last:
            step = step.to(memory_format=torch.channels_last)
        else:
            # Pictures come with their channels last, and convolutions follow their input.
            model.image_encoder.register_forward_pre_hook(lambda _, given: (given[0].contiguous(),))
        self.compiled = form.compiled and compile_encoder(model, form.device)
        self._step, self._clip = step.train(), config.training.gradient_clip
        self._optimizer = make_optimizer(model.image_encoder, step, config.training)
        self._schedule = make_schedule(self._optimizer, config.training, steps_in_epoch)

    def epoch(self, batches: Iterable[tuple[int, Batch]]) -> Tensor:
        """Take a step with each batch, each after seeding what its dropout draws; return the mean loss, a scalar."""
        losses = []
        for seed, batch in batches:
            torch.manual_seed(seed)
            self._optimizer.zero_grad()
            loss = self._step(batch)
            loss.backward()
            if self._clip is not None:
                nn.utils.clip_grad_norm_(self._step.parameters(), self._clip)
            self._optimizer.step()
            self._schedule.step()
            losses.append(loss.detach())
        return torch.stack(losses).mean()
