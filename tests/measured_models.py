"""A root with versions of one small model whose figures are made up, and processes that promote them."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from typing import Any
from unittest import mock

from cirray.bundles import Gate, Verdict, promote, promotion, rollback, save_evaluation
from cirray.datasets.prepared import PreparedDataset
from cirray.errors import ConflictError, PromotionError
from cirray.evaluation import Evaluation, protocols
from cirray.storage import Artifact, Root, write_alias
from tests.service_world import DATASET, MODEL, SPLIT, put_bundle, put_world

RULES = protocols["standard"]


def put_dataset_of(root: Root, num_scenes: int = 4) -> PreparedDataset:
    """Write the dataset that models are measured on, as the latest version of its name."""
    dataset = put_world(root, num_scenes)
    root.dataset(DATASET).point_at(dataset.artifact.version)
    return dataset


def put_measured(root: Root, dataset: PreparedDataset, value: float | None, seed: int) -> Artifact:
    """Write a version of the model, and say that it was measured: `value` percent."""
    bundle = put_bundle(root, dataset, seed=seed)
    if value is not None:
        measure(bundle, dataset, value)
    return bundle


def measure(bundle: Artifact, dataset: PreparedDataset, value: float) -> None:
    """Write down an evaluation that nobody made."""
    metrics = {"R@1": value, "R@10": min(100.0, 2 * value), "mean": value}
    save_evaluation(bundle, dataset, RULES, Evaluation(SPLIT, RULES.name, 100, 200, metrics))


def env_of_store() -> dict[str, str]:
    """Return the variables by which another process finds the same object store."""
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def context() -> ForkServerContext:
    """Return what starts processes that have imported this already."""
    made = ForkServerContext()
    made.set_forkserver_preload([__name__])
    return made


def promote_at_once(
    env: Mapping[str, str], uri: str, version: str, aliases: list[str], together: Barrier, told: SimpleQueue[Any]
) -> None:
    """Promote one version to each alias, and tell which of them were won; wait for the others before each write."""
    os.environ.update(env)
    root = Root.open(uri)
    gate = Gate(PreparedDataset(root.dataset(DATASET).open()), RULES)

    def judge(candidate: Artifact, live: Artifact | None) -> Verdict:
        verdict = gate.judge(candidate, live)
        together.wait(60)
        return verdict

    won = []
    for alias in aliases:
        try:
            promote(root, MODEL, version, judge, by=version, alias=alias)
            won.append(alias)
        except ConflictError:
            pass
    told.put((version, won))


def promote_and_die(env: Mapping[str, str], uri: str, version: str, moment: str) -> None:
    """Promote a version, and be killed "before" the write, in the "middle" of it (in a folder) or "after" it."""
    os.environ.update(env)
    root = Root.open(uri)
    gate = Gate(PreparedDataset(root.dataset(DATASET).open()), RULES)

    def die(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def write_and_die(*arguments: Any) -> None:
        write_alias(*arguments)
        die()

    if moment == "middle":
        killing = mock.patch.object(os, "replace", die)
    else:
        killing = mock.patch.object(promotion, "write_alias", die if moment == "before" else write_and_die)
    with killing:
        promote(root, MODEL, version, gate.judge, by="the killed")


def move_for_ever(env: Mapping[str, str], uri: str, versions: list[str]) -> None:
    """Promote versions one after another, with a rollback now and then, until killed."""
    os.environ.update(env)
    root = Root.open(uri)

    def judge(candidate: Artifact, live: Artifact | None) -> Verdict:
        raise PromotionError("There is no gate here.")

    for number in range(10**6):
        moved, _ = promote(root, MODEL, versions[number % len(versions)], judge, by="loop", reason="test", force=True)
        if number % 3 == 2 and len(moved.standing) > 1:
            rollback(root, MODEL, by="loop", reason="test")
