"""Batch classification, against loops, and over workers."""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import FileStore  # type: ignore[attr-defined]  # torch does not list it
from torch.multiprocessing.spawn import spawn

from cirray.objectives import LossValue
from cirray.objectives.batch_classification import BatchClassification, BatchClassificationConfig
from tests.small_models import fixed_view, small_retriever

ROWS, DIM, WORKERS = 6, 4, 2


def made_loss() -> BatchClassification:
    return BatchClassification(BatchClassificationConfig(scale=3.0), small_retriever("image-only"))


def value(loss: BatchClassification, queries: Tensor, targets: Tensor) -> LossValue:
    made: LossValue = loss(fixed_view(queries=queries, targets=targets))
    return made


def rows() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    both = torch.randn(2, ROWS, DIM, generator=generator)
    return both[0], both[1]


def naive_loss(queries: Tensor, targets: Tensor, scale: float) -> float:
    def unit(row: list[float]) -> list[float]:
        length = math.sqrt(sum(each * each for each in row))
        return [each / length for each in row]

    q, t = [unit(row) for row in queries.tolist()], [unit(row) for row in targets.tolist()]
    total = 0.0
    for i, query in enumerate(q):
        similarities = [scale**2 * sum(a * b for a, b in zip(query, target, strict=True)) for target in t]
        total -= math.log(math.exp(similarities[i]) / sum(math.exp(each) for each in similarities))
    return total / len(q)


def test_the_loss_is_equation_6() -> None:
    queries, targets = rows()
    loss = value(made_loss(), queries, targets)
    assert math.isclose(loss.total.item(), naive_loss(queries, targets, 3.0), rel_tol=1e-5)
    assert loss.parts["scale"].item() == 3.0


def test_the_lengths_of_the_vectors_do_not_count_and_the_scale_learns() -> None:
    queries, targets = rows()
    made = made_loss()
    torch.testing.assert_close(value(made, queries * 7, targets / 3).total, value(made, queries, targets).total)
    value(made, queries, targets).total.backward()
    assert made.scale.grad is not None
    assert made.scale.grad.item() != 0


def _worker(rank: int, folder: str) -> None:
    store = FileStore(f"{folder}/store", WORKERS)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=WORKERS)
    queries, targets = (tensor.chunk(WORKERS)[rank].clone().requires_grad_() for tensor in rows())
    made = made_loss()
    loss = value(made, queries, targets).total
    loss.backward()
    assert made.scale.grad is not None
    scale_gradient = made.scale.grad.clone()
    dist.all_reduce(scale_gradient)
    torch.save(
        {
            "loss": loss.detach(),
            "queries": queries.grad,
            "targets": targets.grad,
            "scale": scale_gradient / WORKERS,
        },
        f"{folder}/{rank}.pt",
    )
    dist.destroy_process_group()


def test_two_workers_with_half_the_batch_give_the_gradients_of_one_with_all(tmp_path: Path) -> None:
    spawn(_worker, (str(tmp_path),), nprocs=WORKERS)
    shares = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(WORKERS)]

    queries, targets = (tensor.requires_grad_() for tensor in rows())
    whole = made_loss()
    loss = value(whole, queries, targets).total
    loss.backward()

    torch.testing.assert_close(sum(share["loss"] for share in shares) / WORKERS, loss.detach())
    # Distributed training divides the summed gradients by the number of workers.
    for name, gradient in {"queries": queries.grad, "targets": targets.grad}.items():
        torch.testing.assert_close(torch.cat([share[name] for share in shares]) / WORKERS, gradient)
    torch.testing.assert_close(shares[0]["scale"], whole.scale.grad)
