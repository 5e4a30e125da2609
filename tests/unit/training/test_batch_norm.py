"""Batch norm over workers: what one process with the whole batch computes, in values, gradients and statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cirray.composers.two_sided_norm import TwoSidedNorm
from cirray.training.batch_norm import AllWorkersNorm, norm_over_workers
from cirray.training.world import World
from tests.workers import run_workers

SHAPES = {"vectors": (12, 3), "sequences": (12, 3, 5), "maps": (12, 3, 4, 5)}
LAYERS = {"vectors": nn.BatchNorm1d, "sequences": nn.BatchNorm1d, "maps": nn.BatchNorm2d}
SHARES = (slice(0, 7), slice(7, 12))
"""Of two workers: not equal, since texts have different numbers of words."""


def layer_of(kind: str) -> nn.Sequential:
    torch.manual_seed(0)
    layer = LAYERS[kind](3)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return nn.Sequential(layer)


def input_of(kind: str) -> Tensor:
    values = 100 + 3 * torch.randn(SHAPES[kind], generator=torch.Generator().manual_seed(1))
    return values.to(memory_format=torch.channels_last) if kind == "maps" else values


def outcome(layer: nn.Module, values: Tensor, rows: slice) -> dict[str, Any]:
    """Return values, gradients and statistics of some rows; the loss is no mean, so that sums compare."""
    given = values[rows].clone().requires_grad_()
    made = layer(given)
    factors = torch.randn(values.shape, generator=torch.Generator().manual_seed(2))[rows]
    (made.pow(2) * factors).sum().backward()
    weights = {name: weight.grad for name, weight in layer.named_parameters()}
    statistics = {name: value.clone() for name, value in layer.named_buffers()}
    return {"made": made.detach(), "values": given.grad, **weights, **statistics}


def work(world: World) -> dict[str, Any]:
    return {
        kind: outcome(norm_over_workers(layer_of(kind), world.device), input_of(kind), SHARES[world.rank])
        for kind in SHAPES
    }


def test_two_workers_compute_what_one_does_with_the_whole_batch(tmp_path: Path) -> None:
    shares = run_workers(work, tmp_path)[2]
    for kind in SHAPES:
        expected = outcome(layer_of(kind), input_of(kind), slice(None))
        ours = [share[kind] for share in shares]
        for name in ("made", "values"):
            torch.testing.assert_close(torch.cat([each[name] for each in ours]), expected[name], rtol=1e-4, atol=1e-4)
        for name in ("0.weight", "0.bias"):
            torch.testing.assert_close(ours[0][name] + ours[1][name], expected[name], rtol=1e-4, atol=1e-4)
        for each in ours:
            for name in ("0.running_mean", "0.running_var", "0.num_batches_tracked"):
                torch.testing.assert_close(each[name], expected[name])


@pytest.mark.parametrize("kind", list(SHAPES))
def test_alone_and_in_evaluation_it_is_the_layer_it_replaces(kind: str) -> None:
    plain, replaced = layer_of(kind), norm_over_workers(layer_of(kind), torch.device("cpu"))
    assert isinstance(replaced[0], AllWorkersNorm)  # type: ignore[index]
    assert plain.state_dict().keys() == replaced.state_dict().keys()
    for mode in (True, False):
        assert torch.equal(plain.train(mode)(input_of(kind)), replaced.train(mode)(input_of(kind)))
    assert all(torch.equal(value, replaced.state_dict()[name]) for name, value in plain.state_dict().items())


def test_layers_without_weights_are_replaced_wherever_they_are() -> None:
    module = norm_over_workers(nn.ModuleDict({"sides": TwoSidedNorm(3)}), torch.device("cpu"))
    norms = [layer for layer in module.modules() if isinstance(layer, AllWorkersNorm)]
    assert len(norms) == 2
    assert all(norm.weight is None for norm in norms)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        norms[0](torch.ones(3))
