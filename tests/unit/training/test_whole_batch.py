"""Dropout for the whole batch: what one worker drops, several drop together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cirray.training.whole_batch import BatchRows, WholeBatchDropout, drop_by_whole_batch

ROWS = 12


def values(*shape: int) -> Tensor:
    return torch.randn(ROWS, *shape, generator=torch.Generator().manual_seed(0))


def dropped(given: Tensor, first: int, whole: int) -> Tensor:
    rows = BatchRows()
    layer = WholeBatchDropout(0.4, rows)
    torch.manual_seed(1)
    with rows.of(first, len(given), whole):
        made: Tensor = layer(given)
    assert rows == BatchRows()
    return made


@pytest.mark.parametrize("shape", [(7,), (3, 5)])
def test_one_worker_drops_what_torch_would(shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    expected = nn.Dropout(0.4)(values(*shape))
    assert torch.equal(dropped(values(*shape), 0, ROWS), expected)
    assert not torch.equal(expected, values(*shape))


@pytest.mark.parametrize("sizes", [(6, 6), (3, 3, 3, 3), (5, 7)])
def test_several_workers_drop_together_what_one_does(sizes: tuple[int, ...]) -> None:
    shares, first = [], 0
    for share in values(7).split(sizes):
        shares.append(dropped(share, first, ROWS))
        first += len(share)
    assert torch.equal(torch.cat(shares), dropped(values(7), 0, ROWS))


def test_in_evaluation_nothing_is_dropped_and_inputs_of_another_length_are_dropped_alone() -> None:
    rows = BatchRows()
    layer = WholeBatchDropout(0.4, rows)
    with rows.of(0, 5, 10):
        assert 0 < int((layer(torch.ones(3, 50)) == 0).sum()) < 150
        assert torch.equal(layer.eval()(torch.ones(5, 50)), torch.ones(5, 50))


def test_plain_dropout_is_replaced_wherever_it_is() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.2), nn.Dropout2d(0.1)), nn.Dropout(0.3))
    drop_by_whole_batch(module, BatchRows())
    found = [(type(layer), layer.p) for layer in module.modules() if isinstance(layer, (nn.Dropout, nn.Dropout2d))]
    assert found == [(WholeBatchDropout, 0.2), (nn.Dropout2d, 0.1), (WholeBatchDropout, 0.3)]
