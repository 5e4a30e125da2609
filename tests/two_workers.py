"""Losses in two real processes, each with half the rows, against one with all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import FileStore  # type: ignore[attr-defined]  # torch does not list it
from torch.multiprocessing.spawn import spawn

from cirray.objectives import Loss, LossValue, View
from tests.small_models import fixed_view

WORKERS = 2

Rows = Mapping[str, Tensor]
Outcome = dict[str, Tensor]
"""The loss under "loss", and the gradients of rows and of the loss's own weights under their names."""


def given_as_they_are(rows: Rows) -> View:
    """Return a view whose values ("queries", "targets", …) are the rows of the same names."""
    view = fixed_view()
    view.__dict__.update(rows)
    return view


@dataclass(frozen=True)
class Case:
    """A loss and what it is to look at. Functions must survive pickling: none that are local, no lambdas.

    Attributes:
        make_loss: returns the loss, the same in every process.
        rows: tensors (N, ...) of the whole batch; half of the rows go to each worker.
        make_view: makes of a worker's rows what the loss looks at.
    """

    make_loss: Callable[[], Loss]
    rows: Rows
    make_view: Callable[[Rows], View] = given_as_they_are


def run_two_workers(
    make_loss: Callable[[], Loss],
    rows: Rows,
    folder: Path,
    make_view: Callable[[Rows], View] = given_as_they_are,
) -> tuple[Outcome, Outcome]:
    """Return the outcomes of two workers with half the rows each, and of one with all, to be compared.

    Gradients of the two are averaged, as distributed training does it: `torch.testing.assert_close(*outcomes)`.
    """
    return run_cases({"": Case(make_loss, rows, make_view)}, folder)[""]


def run_cases(cases: Mapping[str, Case], folder: Path) -> dict[str, tuple[Outcome, Outcome]]:
    """Return the outcomes of several cases, all from the same two processes."""
    spawn(_worker, (str(folder), dict(cases)), nprocs=WORKERS)
    shares = [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORKERS)]
    return {
        name: (_together(case, [share[name] for share in shares]), _outcome(case, 0, 1))
        for name, case in cases.items()
    }


def _worker(rank: int, folder: str, cases: dict[str, Case]) -> None:
    torch.set_num_threads(1)
    store = FileStore(f"{folder}/store", WORKERS)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=WORKERS)
    outcomes = {name: _outcome(case, rank, WORKERS) for name, case in cases.items()}
    torch.save(outcomes, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def _outcome(case: Case, rank: int, workers: int) -> Outcome:
    rows = {name: tensor.chunk(workers)[rank].detach().clone() for name, tensor in case.rows.items()}
    differentiable = {name: row.requires_grad_() for name, row in rows.items() if row.is_floating_point()}
    loss = case.make_loss()
    torch.manual_seed(0)
    value: LossValue = loss(case.make_view(rows))
    value.total.backward()
    gradients = {name: row.grad for name, row in [*differentiable.items(), *loss.named_parameters()]}
    return {"loss": value.total.detach(), **{name: each for name, each in gradients.items() if each is not None}}


def _together(case: Case, shares: list[Outcome]) -> Outcome:
    """Return the mean of the workers' losses and gradients; a row's gradient is on the worker that has the row."""
    return {
        name: (
            torch.cat([share[name] for share in shares]) / WORKERS
            if name in case.rows
            else torch.stack([share[name] for share in shares]).mean(dim=0)
        )
        for name in shares[0]
    }
