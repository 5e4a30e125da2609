"""A training run that things happen to: nodes of real processes, a driver in its own, and who kills them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ray.cluster_utils import Cluster
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cirray.bundles.model_card import CARD
from cirray.cli.benchmark_conditions import environment
from cirray.recipes import RunConfig
from cirray.storage import Artifact, Location, Root
from cirray.storage.artifact import MANIFEST
from cirray.storage.leftovers import find_leftovers
from cirray.tracking.page import PAGE, page, read_summary
from cirray.tracking.tensorboard import EVENTS
from cirray.training import Scaling
from infra.local.processes import family, process_with
from tests.service_world import DATASET

MARKER = ".validate_storage_marker"
"""What Ray Train leaves in the folder of each run."""

DRIVER = f"""
import json, os, sys

# What is told has the standard output for itself: Ray prints there what it sees dying.
told = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import ray
from cirray.datasets import PreparedDataset
from cirray.bundles.model_card import CARD
from cirray.recipes import RunConfig
from cirray.storage import Root
from cirray.training import Scaling, train

def tell(**facts):
    print(json.dumps(facts), file=told, flush=True)

root = Root.open(sys.argv[2])
ray.init(address=sys.argv[1], log_to_driver=False)
bundle, _ = train(
    root,
    RunConfig.model_validate_json(sys.argv[3]),
    PreparedDataset(root.dataset({DATASET!r}).open("d" * 16)),
    Scaling.model_validate_json(sys.argv[4]),
    on_heartbeat=lambda beat: tell(step=beat.step, steps=beat.steps, workers=beat.workers),
    on_said=lambda text: tell(said=text),
)
tell(bundle=bundle.version)
"""

Facts = dict[str, Any]


@dataclass
class Nodes:
    """A head without CPUs, where drivers are, and nodes of two CPUs each for their workers."""

    cluster: Cluster
    workers: list[Any] = field(default_factory=list)

    @classmethod
    def start(cls, number: int) -> Nodes:
        """Start a head and `number` nodes."""
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80 << 20}
        nodes = cls(Cluster(initialize_head=True, head_node_args=head))
        for _ in range(number):
            nodes.add()
        return nodes

    def add(self) -> None:
        """Start a node."""
        self.workers.append(self.cluster.add_node(num_cpus=2, object_store_memory=80 << 20))

    def remove(self, number: int) -> None:
        """Kill all processes of a node."""
        self.cluster.remove_node(self.workers.pop(number), allow_graceful=False)

    def training_pids(self) -> list[int]:
        """Return the process numbers of all training workers."""
        found = []
        for node in self.workers:
            (raylet,) = node.all_processes["raylet"]
            root = process_with(raylet.process.pid)
            assert root is not None
            found += [each.pid for each in family(root) if _title(each.pid).startswith("ray::RayTrainWorker")]
        return sorted(found)

    def stop(self) -> None:
        """Kill everything."""
        self.workers.clear()
        self.cluster.shutdown()


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


@contextmanager
def quick_to_notice() -> Iterator[None]:
    """Have clusters started in the block see within seconds that a node is gone."""
    patience = {
        "RAY_health_check_initial_delay_ms": "0",
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_timeout_ms": "10000",
        "RAY_health_check_failure_threshold": "5",
    }
    with environment(**patience):
        yield


class Driver:
    """A process that trains, and tells how far it is, a line of JSON each."""

    def __init__(self, address: str, root: Root, config: RunConfig, scaling: Scaling, log: Path) -> None:
        self.log = log
        self.said: list[str] = []
        words = [address, root.uri, config.model_dump_json(), scaling.model_dump_json()]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-c", DRIVER, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
            )

    def until(self, happened: Callable[[Facts], bool]) -> Facts:
        """Return the first of the coming lines that tells what is waited for."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            facts = json.loads(line)
            if "said" in facts:
                self.said.append(facts["said"])
            if happened(facts):
                return dict(facts)
        raise AssertionError(f"the driver ended before that: {self.log.read_text()[-3000:]}")

    def until_share(self, share: float) -> bool:
        """Wait until a share of all steps is done; return whether there are steps left then."""
        facts = self.until(lambda facts: "bundle" in facts or facts.get("step", 0) >= share * facts.get("steps", 1e9))
        return "bundle" not in facts and facts["step"] < facts["steps"]

    def finish(self) -> str:
        """Wait for the end, and return the bundle's version."""
        version = str(self.until(lambda facts: "bundle" in facts)["bundle"])
        self.close()
        return version

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.send_signal(signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """Clear it away, killing it where it still runs."""
        if self._process.stdout is not None:
            self._process.stdout.close()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def kill_a_worker(nodes: Nodes, chance: random.Random) -> None:
    """Kill one training worker, any of them."""
    os.kill(chance.choice(nodes.training_pids()), signal.SIGKILL)


def epochs_told(run: Location) -> list[int]:
    """Return the epochs whose loss a run's event file tells, as TensorBoard reads it."""
    with TemporaryDirectory() as folder:
        (Path(folder) / EVENTS).write_bytes((run / EVENTS).read())
        read = EventAccumulator(folder).Reload()
        return [event.step for event in read.Scalars("loss/total")]


def unreadable(root: Root) -> list[str]:
    """Return all files on a root that no reader can make sense of, or has no use for."""
    files = {file.path for file in root.place.files()}
    good = {path for path in files if path.endswith((".json", MARKER)) and not path.startswith("datasets/")}
    for path in sorted(path for path in files if path.endswith(f"/{MANIFEST}")):
        place = root.place / path.removesuffix(f"/{MANIFEST}")
        artifact = Artifact.open(place, json.loads((place / MANIFEST).read())["kind"])
        for name in artifact.names():
            artifact.read(name)
        within = path.removesuffix(MANIFEST)
        good = {each for each in good if not each.startswith(within)}
        good |= {path, *(within + artifact.entry(name).path for name in artifact.names())}
        if artifact.manifest.kind == "bundle":
            assert artifact.version in (place / CARD).read().decode()
            good.add(within + CARD)
    for path in (path for path in files if path.endswith(f"/{PAGE}")):
        run = root.place / path.removesuffix(f"/{PAGE}")
        summary = read_summary(run)
        assert summary is not None
        assert page(summary) == (run / PAGE).read().decode()
        assert epochs_told(run) == list(range(1, summary.epochs + 1))
        good |= {path, path.replace(PAGE, EVENTS)}
    for path in good:
        if path.endswith(".json"):
            json.loads((root.place / path).read())
    left = find_leftovers(root, older_than_s=-60)
    assert (left.files, left.uploads) == ((), ())
    return sorted(files - good)
