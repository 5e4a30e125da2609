"""Dropout that is drawn for the whole batch, so that it does not matter which worker has which rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass
class BatchRows:
    """Which rows of the whole batch are computed just now.

    Attributes:
        first: of them.
        count: of them; 0 while there is no batch.
        whole: rows of the whole batch, over all workers.
    """

    first: int = 0
    count: int = 0
    whole: int = 0

    @contextmanager
    def of(self, first: int, count: int, whole: int) -> Iterator[None]:
        """Be these rows in the block, and those of before after it."""
        before = (self.first, self.count, self.whole)
        self.first, self.count, self.whole = first, count, whole
        try:
            yield
        finally:
            self.first, self.count, self.whole = before


class WholeBatchDropout(nn.Dropout):
    """Dropout by a mask for the whole batch, of which each worker takes its rows.

    On the CPU one worker with the whole batch drops exactly what `nn.Dropout` would. Where the input is not one row
    an example, the mask is drawn for the input alone.

    Args:
        p: share of values that are dropped.
        rows: shared with who says which rows are computed.
    """

    def __init__(self, p: float, rows: BatchRows) -> None:
        super().__init__(p)
        self.rows = rows

    def forward(self, input: Tensor) -> Tensor:
        """Return the input with dropped values, the others scaled up."""
        rows = self.rows
        if not self.training or self.p in (0.0, 1.0) or len(input) != rows.count:
            return super().forward(input)
        mask = input.new_empty(rows.whole, *input.shape[1:]).bernoulli_(1 - self.p)
        return input * mask[rows.first : rows.first + rows.count].div_(1 - self.p)


def drop_by_whole_batch(module: nn.Module, rows: BatchRows) -> None:
    """Put `WholeBatchDropout` in the place of every plain dropout within `module`."""
    replace_layers(module, lambda layer: WholeBatchDropout(layer.p, rows) if type(layer) is nn.Dropout else None)


def replace_layers(module: nn.Module, replacement: Callable[[nn.Module], nn.Module | None]) -> None:
    """Put what `replacement` returns, where it is not None, in the place of each layer within `module`."""
    for name, child in module.named_children():
        if (made := replacement(child)) is not None:
            setattr(module, name, made)
        else:
            replace_layers(child, replacement)
