"""Workers, nodes, drivers and heads are killed at random moments; each run ends as one that nothing happened to.

Real processes: a head and two nodes of two workers each, drivers of their own, checkpoints in a real S3.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cirray.bundles import Bundle
from cirray.config import override
from cirray.datasets import PreparedDataset
from cirray.evaluation import evaluate, protocols
from cirray.recipes import RunConfig, recipes
from cirray.storage import Artifact, Root
from cirray.training import Scaling
from tests.service_world import SPLIT, put_world
from tests.survival import Driver, Nodes, kill_a_worker, quick_to_notice, unreadable

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1800)]

ROUNDS, EPOCHS, SCENES = 10, 4, 64
KINDS = ("worker", "node", "driver", "worker", "head")
SHORT = tuple(KINDS.index(kind) for kind in set(KINDS))
"""Rounds that are enough to see each kind of death once."""

FOUR = Scaling(workers=4)


def config(*assignments: str) -> RunConfig:
    small = (
        f"split={SPLIT}",
        f"training.epochs={EPOCHS}",
        "training.batch_size=8",
        "training.checkpoint_every_steps=4",
        "model.image_encoder.widths=[4, 6]",
        "model.image_encoder.strides=[4, 2]",
        "model.text_encoder.word_dim=4",
        "model.text_encoder.dim=4",
        "model.composer.dim=8",
        "training.augmentations=[{name: horizontal-flip}]",
    )
    return override(recipes["css-2d/tirg-last-conv"](), [*small, *assignments])


def losses(bundle: Artifact) -> list[dict[str, float]]:
    return [epoch["losses"] for epoch in bundle.manifest.details["history"]]


def recalls(bundle: Artifact, dataset: PreparedDataset) -> dict[str, float]:
    return dict(evaluate(Bundle.open(bundle), dataset, SPLIT, protocols["standard"]).metrics)


@dataclass
class Site:
    """Nodes that are all up, and where runs go.

    Attributes:
        nodes: two of them but for the head.
        uri: below which every run has a root of its own.
        folder: for logs.
    """

    nodes: Nodes
    uri: str
    folder: Path

    def root(self, name: str) -> tuple[Root, PreparedDataset]:
        root = Root.open(f"{self.uri}/{name}")
        return root, put_world(root, SCENES)

    def driver(self, root: Root, scaling: Scaling = FOUR, run: RunConfig | None = None) -> Driver:
        return Driver(self.nodes.cluster.address, root, run or config(), scaling, self.folder / "driver.log")

    def restart(self) -> None:
        self.nodes.stop()
        self.nodes = Nodes.start(2)


@pytest.fixture(scope="module")
def site(bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("survival")
    with quick_to_notice():
        site = Site(Nodes.start(2), f"{bucket}/{folder.name}", folder)
        yield site
        site.nodes.stop()


@dataclass(frozen=True)
class Undisturbed:
    losses: list[dict[str, float]]
    recalls: dict[str, float]


@pytest.fixture(scope="module")
def undisturbed(site: Site) -> Undisturbed:
    root, dataset = site.root("undisturbed")
    driver = site.driver(root)
    driver.finish()
    assert driver.said == []
    bundle = root.model(config().name).open()
    assert unreadable(root) == []
    return Undisturbed(losses(bundle), recalls(bundle, dataset))


def strike(site: Site, kind: str, driver: Driver, root: Root, chance: random.Random) -> Driver:
    """Kill something, put in its place what people or their cloud would, and return the driver that goes on."""
    if kind == "worker":
        kill_a_worker(site.nodes, chance)
        return driver
    if kind == "node":
        site.nodes.remove(chance.randrange(2))
        site.nodes.add()
        return driver
    driver.kill()
    if kind == "head":
        site.restart()
    return site.driver(root)


@pytest.mark.parametrize(
    "number", [pytest.param(number, marks=[pytest.mark.long] * (number not in SHORT)) for number in range(ROUNDS)]
)
def test_whatever_dies_the_run_ends_as_if_nothing_had_been(number: int, site: Site, undisturbed: Undisturbed) -> None:
    chance = random.Random(number)
    kind = KINDS[number % len(KINDS)]
    root, dataset = site.root(f"round-{number}")
    driver = site.driver(root)
    try:
        for share in sorted(chance.uniform(0.05, 0.7) for _ in range(chance.choice((1, 2)))):
            assert driver.until_share(share), "the run was over before anything could happen to it"
            driver = strike(site, kind, driver, root, chance)
        version = driver.finish()
    finally:
        driver.close()
    bundle = root.model(config().name).open()
    assert bundle.version == version
    assert [epoch["epoch"] for epoch in bundle.manifest.details["history"]] == list(range(1, EPOCHS + 1))
    for found, expected in zip(losses(bundle), undisturbed.losses, strict=True):
        assert found == pytest.approx(expected, rel=1e-5)
    assert recalls(bundle, dataset) == pytest.approx(undisturbed.recalls, abs=1e-6)
    assert unreadable(root) == []


@pytest.mark.long
def test_a_run_goes_on_with_fewer_workers_and_takes_new_ones_in(site: Site, undisturbed: Undisturbed) -> None:
    root, _ = site.root("elastic")
    # Long enough for both changes.
    run = config("training.epochs=40")
    driver = site.driver(root, Scaling(workers=4, min_workers=1, resize_every_s=2), run)
    try:
        assert driver.until(lambda facts: facts.get("workers") == 4)
        site.nodes.remove(0)
        fewer = driver.until(lambda facts: "workers" in facts and facts["workers"] != 4)
        # Three cannot share a batch of eight; two can.
        assert fewer["workers"] == 2
        site.nodes.add()
        more = driver.until(lambda facts: facts.get("workers") == 4)
        assert more["step"] > fewer["step"]
        driver.finish()
    finally:
        driver.close()
    found = losses(root.model(run.name).open())
    assert len(found) == 40
    assert found[-1]["total"] < undisturbed.losses[-1]["total"]
    assert unreadable(root) == []
