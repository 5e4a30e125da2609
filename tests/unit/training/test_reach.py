"""Weights that no gradient reaches, as distributed training is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import FileStore  # type: ignore[attr-defined]  # torch does not list it
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from cirray.composers import Retriever
from cirray.config import from_mapping
from cirray.objectives import Objective, losses
from cirray.recipes import RunConfig, TrainingConfig
from cirray.training import worker
from cirray.training.reach import unreached
from cirray.training.trainee import TrainingStep
from cirray.training.world import World
from tests.small_models import VOCABULARY, small_batch, small_config

Parts = tuple[str, dict[str, Any], tuple[str, ...]]
"""A composer, its settings, and the losses that it is trained with."""

FINE_LEVEL: Parts = ("sac", {"levels": (-2,), "temperatures": (1.0,)}, ("sac-triplet", "sac-discriminator"))
WHOLE: Parts = ("tirg-last-conv", {}, ("batch-classification", "vse"))
RECONSTRUCTED: Parts = (
    "compose-ae",
    {},
    ("batch-hard", "image-reconstruction", "text-reconstruction", "rotational-symmetry"),
)


def made(parts: Parts) -> tuple[TrainingStep, RunConfig]:
    composer, settings, names = parts
    model = small_config(composer, **settings)
    objective = {name.replace("-", "_"): from_mapping(losses[name].Config, {"name": name}) for name in names}
    run = RunConfig(
        name="x", dataset="x", model=model, objective=objective, training=TrainingConfig(epochs=1, batch_size=4)
    )
    torch.manual_seed(0)
    retriever = Retriever(model, VOCABULARY)
    return TrainingStep(retriever, Objective(objective, retriever)), run


@pytest.mark.parametrize("parts", [FINE_LEVEL, WHOLE, RECONSTRUCTED], ids=lambda parts: parts[0])
def test_weights_are_found_that_a_step_leaves_without_a_gradient(parts: Parts) -> None:
    step, run = made(parts)
    before = {key: value.clone() for key, value in step.state_dict().items() if isinstance(value, torch.Tensor)}
    found = unreached(step, run, World())
    after = step.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    step(small_batch(4), 1)[0].backward()
    without = [name for name, each in step.named_parameters() if each.requires_grad and each.grad is None]
    assert found == without
    assert bool(found) is (parts == FINE_LEVEL)


@pytest.mark.parametrize(
    ("parts", "size", "wanted"), [(FINE_LEVEL, 2, True), (FINE_LEVEL, 1, False), (WHOLE, 2, False)]
)
def test_distributed_training_looks_for_them_only_where_there_are_some(
    parts: Parts, size: int, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Any] = {}

    def prepare(step: nn.Module, parallel_strategy_kwargs: dict[str, Any]) -> nn.Module:
        told.update(parallel_strategy_kwargs)
        return step

    monkeypatch.setattr(worker, "prepare_model", prepare)
    step, run = made(parts)
    worker._distributed(step, run, World(0, size))
    assert told == {"find_unused_parameters": wanted}


def two_steps(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", store=FileStore(f"{folder}/store", 2), rank=rank, world_size=2)
    step, run = made(FINE_LEVEL)
    some = bool(unreached(step, run, World(rank, 2)))
    module = DistributedDataParallel(step, find_unused_parameters=some)
    for number in range(2):
        loss, _ = module(small_batch(2, seed=10 * number + rank), 1)
        loss.backward()
    dist.destroy_process_group()
    (Path(folder) / f"{rank}.done").touch()


def test_two_workers_train_on_a_level_before_the_last(tmp_path: Path) -> None:
    spawn(two_steps, (str(tmp_path),), nprocs=2)
    assert len(list(tmp_path.glob("*.done"))) == 2
