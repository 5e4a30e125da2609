"""Large contrastive batches in small memory: gradients of the whole batch, with the model on a part at a time.

Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup" (RepL4NLP 2021), GradCache:

    1. the model makes what the losses look at, part by part, without a graph;
    2. the losses are taken over all of it, the other workers' included, and give the gradients of these values;
    3. the model runs on each part again, with a graph, through which the part's gradients of step 2 flow back.

By the chain rule the weights' gradients are those of the undivided batch. Both runs of a part start from the random
state in which the undivided batch would have come to the same value, and dropout is drawn for the whole batch
(`whole_batch`), so that this holds for what is drawn, too. It does not hold where a row of a part depends on the
other rows of the whole batch, which only batch norm does, nor for what torch drops within a recurrent network.

Besides the graph of one part, memory holds for this worker's whole share what the model gives out on the way: feature
maps and vectors, without a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from cirray.composers import Retriever
from cirray.objectives import Batch, View
from cirray.training.batch_norm import batch_norms
from cirray.training.whole_batch import BatchRows

T = TypeVar("T")


class CachedView(View):
    """A view whose values come from parts of the batch; the losses see no difference.

    Args:
        model: that is trained.
        batch: this worker's share.
        epoch: from 1.
        size: largest number of examples in a part.
        rows: which rows of the whole batch the share has.
    """

    def __init__(self, model: Retriever, batch: Batch, epoch: int, size: int, rows: BatchRows) -> None:
        super().__init__(model, batch, epoch)
        self._slices = list(_slices(len(batch), size))
        self._rows = rows
        self._parts = self._views()
        self._asked: dict[str, tuple[list[Tensor], Any]] = {}

    def backward(self) -> None:
        """Let the gradients of the values, which the losses have left there, flow on to the model's weights."""
        self._parts = []
        for part, rows in zip(self._views(), self._slices, strict=True):
            ends: list[tuple[Tensor, Tensor]] = []
            with self._these(rows):
                for name, (state, whole) in self._asked.items():
                    _set_random_state(state)
                    made = getattr(part, name)
                    ends += [
                        (value, leaf.grad[rows])
                        for value, leaf in zip(_tensors(made), _tensors(whole), strict=True)
                        if leaf.grad is not None and value.requires_grad
                    ]
            if ends:
                torch.autograd.backward([value for value, _ in ends], [gradient for _, gradient in ends])

    def _made(self, name: str, compute: Callable[[], T]) -> T:
        """Return the values of all parts under the name, as leaves that gather their gradients."""
        state, made = _random_state(self.batch.target.device), []
        with torch.no_grad(), _uncounted(self.model):
            for part, rows in zip(self._parts, self._slices, strict=True):
                _set_random_state(state)
                with self._these(rows):
                    made.append(getattr(part, name))
        whole = _joined(made)
        self._asked[name] = (state, whole)
        return cast(T, whole)

    def _views(self) -> list[View]:
        parts = [View(self.model, self.batch.rows(rows), self.epoch) for rows in self._slices]
        for part in parts:
            part._autocast = self._autocast
        return parts

    def _these(self, rows: slice) -> AbstractContextManager[None]:
        return self._rows.of(self._rows.first + rows.start, rows.stop - rows.start, self._rows.whole)


def _slices(count: int, size: int) -> Iterator[slice]:
    """Yield runs that make up `count`, of nearly equal lengths; none is of one row alone, which has no variance."""
    number = min(-(-count // size), max(1, count // 2))
    ends = [count * place // number for place in range(number + 1)]
    return (slice(*pair) for pair in pairwise(ends))


def _random_state(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def _set_random_state(states: list[Tensor]) -> None:
    torch.set_rng_state(states[0])
    for state in states[1:]:
        torch.cuda.set_rng_state(state)


@contextmanager
def _uncounted(model: Retriever) -> Iterator[None]:
    """Keep running statistics as they are: what a part counts, it counts when it runs again."""
    with ExitStack() as stack:
        for norm in batch_norms(model):
            stack.callback(setattr, norm, "momentum", norm.momentum)
            stack.callback(setattr, norm, "num_batches_tracked", norm.num_batches_tracked)
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked = norm.num_batches_tracked.clone()
            norm.momentum = 0.0
        yield


def _joined(values: list[Any]) -> Any:
    """Return one value, of the kind of the parts' `values`, whose tensors are leaves with all rows."""
    first = values[0]
    if first is None:
        return None
    if isinstance(first, Tensor):
        whole = torch.cat(values)
        return whole.requires_grad_() if whole.is_floating_point() else whole
    if isinstance(first, tuple):
        return tuple(_joined(list(each)) for each in zip(*values, strict=True))
    names = [field.name for field in fields(first)]
    return replace(first, **{name: _joined([getattr(each, name) for each in values]) for name in names})


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors within a value, in a fixed order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _tensors(each)
    elif value is not None:
        for field in fields(value):
            yield from _tensors(getattr(value, field.name))
