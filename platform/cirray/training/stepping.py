"""One step of training: the loss of a batch, its gradients, and the change of the weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from cirray.objectives import Batch
from cirray.recipes import RunConfig, TrainingConfig
from cirray.training.cached_gradients import CachedView
from cirray.training.divergence import finite
from cirray.training.randomness import step_seed
from cirray.training.trainee import Trainee
from cirray.training.world import World


@dataclass(frozen=True)
class StepResult:
    """What a step came to.

    Attributes:
        loss: of the whole batch.
        losses: the same as a tensor ("total"), and its parts, as means over the workers.
        gradient_norm: before clipping.
    """

    loss: float
    losses: dict[str, Tensor]
    gradient_norm: Tensor


@dataclass(frozen=True)
class Stepper:
    """Takes steps.

    Attributes:
        config: of the run.
        trainee: whose weights change.
        module: what is called for the loss: `trainee.step`, or the distributed wrapper around it.
        world: which worker this is.
    """

    config: RunConfig
    trainee: Trainee
    module: nn.Module
    world: World

    def take(self, batch: Batch, epoch: int, step: int) -> StepResult:
        """Change the weights by this worker's share of a batch.

        Args:
            batch: the share.
            epoch: from 0.
            step: of the epoch, from 0.

        Raises:
            TrainingError: the loss or its gradient is not a number any more, or the loss diverges.
        """
        # All workers draw alike, for the whole batch, and take what is theirs.
        torch.manual_seed(step_seed(self.config.seed, epoch, step))
        size = self.config.training.batch_size
        share = size // self.world.size
        self.trainee.optimizer.zero_grad(set_to_none=True)
        with self.trainee.rows.of(self.world.rank * share, share, size):
            part = self.config.training.micro_batch
            if part is None or part >= len(batch):
                loss, losses = self._whole(batch, epoch, step)
            else:
                loss, losses = self._in_parts(batch, part, epoch, step)
        return StepResult(loss, losses, self._update(epoch, step))

    def _whole(self, batch: Batch, epoch: int, step: int) -> tuple[float, dict[str, Tensor]]:
        with autocast(self.config.training, self.world.device):
            total, parts = self.module(batch, epoch + 1)
        judged = self._judge(total, parts, epoch, step)
        total.backward()
        return judged

    def _in_parts(self, batch: Batch, size: int, epoch: int, step: int) -> tuple[float, dict[str, Tensor]]:
        # Past the distributed wrapper, which expects one backward pass a step.
        inner, trainee = self.trainee.step, self.trainee
        # A weight that is rounded without a graph must not be found again where there is one.
        with autocast(self.config.training, self.world.device, cached=False):
            view = CachedView(inner.model, batch, epoch + 1, size, trainee.rows)
            total, parts = inner.loss(view)
            judged = self._judge(total, parts, epoch, step)
            total.backward()
            view.backward()
        if self.world.size > 1:
            _average_gradients(inner)
        return judged

    def _judge(
        self, total: Tensor, parts: dict[str, Tensor], epoch: int, step: int
    ) -> tuple[float, dict[str, Tensor]]:
        # Copies: a learned scale among them is about to change in its place.
        losses = {name: value.detach().clone() for name, value in {"total": total, **parts}.items()}
        if self.world.size > 1:
            losses = _mean_over_workers(losses)
        loss = finite("loss", losses["total"], epoch, step)
        counting = self.trainee.step.objective.counting_in(epoch + 1)
        self.trainee.watch.see(loss, counting, epoch, step)
        return loss, losses

    def _update(self, epoch: int, step: int) -> Tensor:
        clip, trainee = self.config.training.gradient_clip, self.trainee
        for group in trainee.optimizer.param_groups:
            # What stands still must take no share of the clipped norm, and leave no trace in the optimiser's moments.
            for weight in group["params"] if group["lr"] == 0 else ():
                weight.grad = None
        norm = nn.utils.clip_grad_norm_(trainee.step.parameters(), clip if clip is not None else float("inf"))
        # A finite loss can have a gradient that is not, such as that of a root at zero.
        finite("norm of the gradient", norm, epoch, step)
        trainee.optimizer.step()
        trainee.schedule.step()
        if trainee.average is not None:
            trainee.average.update(trainee.step.model)
        return norm.detach()


def autocast(config: TrainingConfig, device: torch.device, *, cached: bool = True) -> torch.autocast:
    """Return the context in which the model computes in the precision of `config`.

    Args:
        config: of the run's training.
        device: that computes.
        cached: whether a weight is rounded once rather than each time.
    """
    lower = config.precision == "bfloat16"
    if config.precision == "auto":
        lower = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=lower, cache_enabled=cached)


def _mean_over_workers(values: dict[str, Tensor]) -> dict[str, Tensor]:
    means = torch.stack([value.detach().float() for value in values.values()])
    dist.all_reduce(means)
    return dict(zip(values, (means / dist.get_world_size()).unbind(), strict=True))


def _average_gradients(module: nn.Module) -> None:
    """Do what the distributed wrapper does after a backward pass."""
    gradients = [weight.grad for weight in module.parameters() if weight.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    shares = flat.split([gradient.numel() for gradient in gradients])
    for gradient, share in zip(gradients, shares, strict=True):
        gradient.copy_(share.view_as(gradient))
