"""The contrastive loss over two workers, against the distributed losses of open_clip and pytorch-metric-learning."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from types import ModuleType

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor
from torch.distributed import FileStore  # type: ignore[attr-defined]  # torch does not list it
from torch.multiprocessing.spawn import spawn

from cirray.cli.benchmark import Measurement, Results
from cirray.cli.benchmark_conditions import in_turn, median_ratio
from cirray.cli.benchmark_training_settings import TrainingSettings
from cirray.cluster import usable_cores
from cirray.encoders.extras import optional
from cirray.objectives.batch_classification import Direction, classification

WORKERS = 2
SCALE = 4.0
WARM_UP = 3
WANTED_BY = "Part 'losses' of the benchmark of training"
SLOW = 10
"""How many times fewer turns a loss gets that lists all pairs of rows and their comparisons one by one."""

EQUAL = 1e-6

Contrast = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From queries (B, D), targets (B, D) and the scale (), to the loss that this worker goes back from."""


@dataclass(frozen=True)
class _Peer:
    """One of their losses.

    Attributes:
        name: of it.
        direction: of ours that it is the same as.
        loss: theirs.
        learns_scale: whether it gives the scale a gradient.
        slow: whether it gets fewer turns.
    """

    name: str
    direction: Direction
    loss: Contrast
    learns_scale: bool = True
    slow: bool = False


@dataclass(frozen=True)
class Compared:
    """One of their losses beside ours, over all workers.

    Attributes:
        name: of theirs.
        difference: of the gradients at most, as a share of the largest of ours.
        ours: seconds of each turn, forward and backward.
        theirs: likewise.
    """

    name: str
    difference: float
    ours: list[float]
    theirs: list[float]


def check_peers() -> None:
    """Make sure that both libraries are there.

    Raises:
        ConfigError: one of them is not installed.
    """
    _open_clip()
    _metric_learning("losses")


def _open_clip() -> ModuleType:
    return optional("open_clip", "open-clip", WANTED_BY)


def _metric_learning(module: str) -> ModuleType:
    return optional(f"pytorch_metric_learning.{module}", "peers", WANTED_BY)


def measure_losses(results: Results, settings: TrainingSettings, folder: Path) -> None:
    """Compare gradients and time of the losses in two processes, in turn.

    Raises:
        ConfigError: a library is not installed.
    """
    check_peers()
    for each in compare_losses(settings, folder):
        ratio = median_ratio(each.ours, each.theirs)
        results.add(
            Measurement(f"ours, as {each.name}", 1000 * median(each.ours), "ms", note="forward and backward"),
            Measurement(each.name, 1000 * median(each.theirs), "ms"),
            Measurement.at_most(f"ours / {each.name}", ratio, "ratio", 1.0, judged=settings.judged),
            Measurement.at_most(f"gradients, ours and {each.name}", each.difference, "ratio", EQUAL),
        )


def compare_losses(settings: TrainingSettings, folder: Path) -> list[Compared]:
    """Return how ours compares with each of theirs, over two processes that speak by gloo."""
    folder.mkdir(parents=True, exist_ok=True)
    spawn(_worker, (settings, str(folder)), nprocs=WORKERS)
    # Of what the workers wrote, the slower one of each turn counts.
    shares = [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORKERS)]
    found = []
    for name in shares[0]:
        ours, theirs = (_over_workers([share[name][side] for share in shares]) for side in ("ours", "theirs"))
        largest = max(float(each.abs().max()) for each in ours[0])
        apart = max(float((own - its).abs().max()) for own, its in zip(ours[0], theirs[0], strict=True))
        found.append(Compared(name, apart / largest, ours[1], theirs[1]))
    return found


def _over_workers(sides: list[tuple[list[Tensor], list[float]]]) -> tuple[list[Tensor], list[float]]:
    """Return the gradients of all workers' rows, and of the scale as a mean over the workers; and the seconds."""
    rows = [torch.stack(each) for each in zip(*(gradients[:2] for gradients, _ in sides), strict=True)]
    scales = [gradients[2] for gradients, _ in sides if len(gradients) == 3]
    gradients = [*rows, torch.stack(scales).mean()] if scales else rows
    return gradients, [max(turn) for turn in zip(*(seconds for _, seconds in sides), strict=True)]


def _worker(rank: int, settings: TrainingSettings, folder: str) -> None:
    # torch's, at a function that open_clip calls.
    warnings.filterwarnings("ignore", "torch.distributed.nn.functional", FutureWarning)
    torch.set_num_threads(max(1, usable_cores() // WORKERS))
    dist.init_process_group("gloo", store=FileStore(f"{folder}/store", WORKERS), rank=rank, world_size=WORKERS)
    generator = torch.Generator().manual_seed(settings.seed)
    whole = torch.randn(2, settings.loss_batch, settings.loss_dim, generator=generator)
    # At a cosine of 0.3, as in the middle of training: where nearly all is right, gradients are but rounding.
    whole[1] = whole[0] + 3 * whole[1]
    queries, targets = (rows.chunk(WORKERS)[rank].clone() for rows in whole)
    found = {}
    for peer in _peers(rank, len(queries)):
        # With one that is slow, warming up is but a small part.
        warm_up, fewer = (1, SLOW) if peer.slow else (WARM_UP, 1)
        turns = warm_up + max(1, settings.loss_turns // fewer)
        sides = {"ours": _ours(peer.direction), "theirs": peer.loss}
        steps = in_turn({side: partial(_step, loss, queries, targets) for side, loss in sides.items()}, turns)
        learned = None if peer.learns_scale else 2
        found[peer.name] = {
            side: (each[-1][0][:learned], [seconds for _, seconds in each[warm_up:]]) for side, each in steps.items()
        }
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def _step(loss: Contrast, queries: Tensor, targets: Tensor, turn: int) -> tuple[list[Tensor], float]:
    """Return the gradients of rows and scale, and the seconds that they took."""
    leaves = [each.clone().requires_grad_() for each in (queries, targets, torch.tensor(SCALE))]
    dist.barrier()
    started = time.perf_counter()
    loss(*leaves).backward()
    seconds = time.perf_counter() - started
    return [leaf.grad if leaf.grad is not None else torch.zeros_like(leaf) for leaf in leaves], seconds


def _ours(direction: Direction) -> Contrast:
    def loss(queries: Tensor, targets: Tensor, scale: Tensor) -> Tensor:
        return classification(scale * F.normalize(queries, dim=1), scale * F.normalize(targets, dim=1), direction)

    return loss


def _peers(rank: int, rows: int) -> list[_Peer]:
    """Return their losses in the settings whose gradients are those of one process with the whole batch.

    Others of their settings give other gradients: `ClipLoss` without `gather_with_grad`, which is its default, leaves
    out what a worker's rows do to the others' losses, and so does `DistributedLossWrapper` with `efficient`.
    """
    return [
        _Peer("ClipLoss (local loss)", "both", _clip_loss(rank, local_loss=True)),
        _Peer("ClipLoss (whole loss)", "both", _clip_loss(rank, local_loss=False)),
        _Peer("NTXentLoss (distributed)", "to-targets", _ntxent_loss(rank, rows), learns_scale=False, slow=True),
    ]


def _clip_loss(rank: int, *, local_loss: bool) -> Contrast:
    contrast = _open_clip().ClipLoss(
        local_loss=local_loss, gather_with_grad=True, cache_labels=True, rank=rank, world_size=WORKERS
    )

    def loss(queries: Tensor, targets: Tensor, scale: Tensor) -> Tensor:
        value: Tensor = contrast(F.normalize(queries, dim=1), F.normalize(targets, dim=1), scale.square())
        return value

    return loss


def _ntxent_loss(rank: int, rows: int) -> Contrast:
    """Return their loss as queries pick targets; it knows no learned scale, and normalises by itself."""
    loss_of_one = _metric_learning("losses").NTXentLoss(temperature=SCALE**-2)
    contrast = _metric_learning("utils.distributed").DistributedLossWrapper(loss_of_one)
    labels = torch.arange(rank * rows, (rank + 1) * rows)
    # Given the very same tensor, it would take targets for queries.
    of_targets = labels.clone()

    def loss(queries: Tensor, targets: Tensor, scale: Tensor) -> Tensor:
        value: Tensor = contrast(queries, labels, ref_emb=targets, ref_labels=of_targets)
        return value

    return loss
