"""Batch norm over several workers, and with statistics that stay as they are."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm

from cirray.training.whole_batch import replace_layers


def norm_over_workers(module: nn.Module, device: torch.device) -> nn.Module:
    """Return `module` with each batch norm over the batch of all workers, weights and names as before.

    torch's own `SyncBatchNorm` takes tensors on a GPU only; on the CPU it is `AllWorkersNorm`.
    """
    if device.type == "cuda":
        return cast(nn.Module, nn.SyncBatchNorm.convert_sync_batchnorm(module))
    replace_layers(module, lambda layer: AllWorkersNorm(layer) if isinstance(layer, _BatchNorm) else None)
    return module


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """Return the layers within `module` that normalise by the batch in training."""
    return [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]


class AllWorkersNorm(_BatchNorm):
    """Batch norm by mean and variance over the batches of all workers, for any backend.

    With one worker, or in evaluation, it is torch's own. The workers may have different numbers of values.

    Args:
        layer: whose settings, weights and running statistics it takes over.
    """

    def __init__(self, layer: _BatchNorm) -> None:
        super().__init__(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        self.weight, self.bias = layer.weight, layer.bias
        self.running_mean, self.running_var = layer.running_mean, layer.running_var
        self.num_batches_tracked = layer.num_batches_tracked

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"Batch norm takes (B, C, ...); given was a tensor of shape {tuple(input.shape)}.")

    def forward(self, input: Tensor) -> Tensor:
        """Return `input` (B, C, ...), normalised for each channel."""
        if not self.training or not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
            return super().forward(input)
        self._check_input_dim(input)
        mean, variance, count = _statistics(input.detach().float())
        if self.track_running_stats:
            self._track(mean, variance, count)
        made: Tensor = _Normalise.apply(input, self.weight, self.bias, mean, variance, count, self.eps)
        return made

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * count / (count - 1).clamp_min(1), share)


def _statistics(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean (C,), biased variance (C,) and number () of the values of each channel over all workers.

    Variances are combined around the common mean (Chan et al., "Updating Formulae and a Pairwise Algorithm for
    Computing Sample Variances", 1979): a difference of squares would lose half the digits.
    """
    own_variance, own_mean = torch.var_mean(values, _all_but_channels(values), correction=0)
    number = torch.full_like(own_mean[:1], values.numel() / values.shape[1])
    own = torch.cat([own_mean, own_variance, number])
    everyone = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(everyone, own)
    means, variances, numbers = torch.stack(everyone).split([len(own_mean), len(own_mean), 1], dim=1)
    count = numbers.sum()
    mean = (numbers * means).sum(dim=0) / count
    return mean, (numbers * (variances + (means - mean).square())).sum(dim=0) / count, count


def _all_but_channels(values: Tensor) -> list[int]:
    return [0, *range(2, values.dim())]


class _Normalise(Function):
    """Normalises by statistics that depend on the inputs of all workers, with the gradient that follows from that."""

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        count: Tensor,
        eps: float,
    ) -> Tensor:
        ctx.save_for_backward(values, weight, mean, (variance + eps).rsqrt(), count)
        return F.batch_norm(values, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        values, weight, mean, scale, count = ctx.saved_tensors
        shape = [1, -1, *[1] * (values.dim() - 2)]
        gradient = gradients[0].float()
        normal = (values.float() - mean.view(shape)) * scale.view(shape)
        of_bias = gradient.sum(_all_but_channels(values))
        of_weight = (gradient * normal).sum(_all_but_channels(values))
        # What moves a statistic moves the outputs of every worker.
        shared = torch.cat([of_bias, of_weight])
        dist.all_reduce(shared)
        by_mean, by_variance = (each.view(shape) for each in (shared / count).chunk(2))
        factor = scale if weight is None else scale * weight
        of_values = (gradient - by_mean - normal * by_variance) * factor.view(shape)
        learned = weight is not None
        return (
            of_values.to(values.dtype),
            of_weight if learned else None,
            of_bias if learned else None,
            None,
            None,
            None,
            None,
        )
