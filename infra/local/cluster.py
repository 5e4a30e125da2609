"""A Ray cluster of a head and workers on this machine: `python infra/local/cluster.py start | stop | status`.

Each node is a real `ray start` with its own address (127.0.0.2 and up), processes, object store and folders, so that
what travels between nodes really travels. Jobs, dashboard and nodes want a token. Ray binds the ports of its nodes to
all interfaces: behind the token, save for the metrics, which anybody who reaches this machine can read.
"""

from __future__ import annotations

import json
import secrets
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

if __package__ in (None, ""):
    # Run as a script: find `infra` from the repository's root, in the place of this script's own folder.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from infra.local import object_store
from infra.local.ledger import DEFAULT_STATE_DIR, Launch, Ledger, Record, write_private
from infra.local.nodes import Shape, node_address, start_node
from infra.local.ports import free_ports
from infra.local.processes import Process, wait_until
from infra.local.shell import StateDir, print_exports, run, say

_NAME = "cluster"
_SHAPE = Shape()
_GRACE_S = 10.0


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes:
        address: `host:port` for `ray.init(address=…)`.
        dashboard_url: URL of the dashboard, to which jobs are submitted.
        environment: what a client needs in its environment: the token, and where to submit jobs.
        nodes: name of a node ("head", "worker-1", …) to its first process; with that the whole node dies.
    """

    address: str
    dashboard_url: str
    environment: dict[str, str]
    nodes: dict[str, Process]

    def living_nodes(self) -> int:
        """Return the number of nodes that are up, 0 where the cluster does not answer."""
        token = Path(self.environment["RAY_AUTH_TOKEN_PATH"]).read_text()
        request = urllib.request.Request(
            f"{self.dashboard_url}/nodes?view=summary", headers={"Authorization": f"Bearer {token}"}
        )
        # Past any proxy that the environment names: this is on the same machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as response:
                nodes = json.load(response)["data"]["summary"]
        except (OSError, ValueError, KeyError):
            return 0
        return sum(node["raylet"].get("state") == "ALIVE" for node in nodes)


def start(
    state_dir: Path = DEFAULT_STATE_DIR,
    *,
    shape: Shape = _SHAPE,
    environment: Mapping[str, str] | None = None,
    deadline_s: float = 120.0,
) -> Cluster:
    """Start the cluster, and return it once all its nodes are up.

    Args:
        state_dir: folder for the token, logs and record.
        shape: how many nodes and how large.
        environment: variables for every node beside those of this process, and so for every task: the object store's.
        deadline_s: seconds to wait for the head, and as many again for the workers.

    Raises:
        LocalServiceError: it is running already, or it does not start.
    """
    ledger = _ledger(state_dir)
    with ledger.launch() as launch:
        gcs, dashboard, client = free_ports(3)
        token = _token(ledger.state_dir)
        address = f"{node_address(0)}:{gcs}"
        launch.note({"address": address, "dashboard": f"http://127.0.0.1:{dashboard}", "token": str(token)})
        added = {**(environment or {}), **_from_record(launch.record).environment}
        # The ports not named here are chosen by each node itself.
        ports = [f"--port={gcs}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"]
        head = ["--head", "--dashboard-host=127.0.0.1", "--include-dashboard=true", *ports]
        start_node(launch, 0, shape, head, added)
        _await(launch, 1, deadline_s)
        for number in range(1, shape.workers + 1):
            start_node(launch, number, shape, [f"--address={address}"], added)
        _await(launch, 1 + shape.workers, deadline_s)
    return _from_record(launch.record)


def stop(state_dir: Path = DEFAULT_STATE_DIR) -> bool:
    """End the cluster of a state folder with all its jobs; return whether one was running."""
    return _ledger(state_dir).stop()


def running(state_dir: Path = DEFAULT_STATE_DIR) -> Cluster | None:
    """Return the cluster of a state folder, where one is running."""
    ledger = _ledger(state_dir)
    record = ledger.read()
    return _from_record(record) if record is not None and record.ready else None


@contextmanager
def cluster(
    state_dir: Path, *, shape: Shape = _SHAPE, environment: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """Run a cluster for the length of a `with` block."""
    started = start(state_dir, shape=shape, environment=environment)
    try:
        yield started
    finally:
        stop(state_dir)


def _ledger(state_dir: Path) -> Ledger:
    return Ledger(state_dir, _NAME, grace_s=_GRACE_S)


def _from_record(record: Record) -> Cluster:
    facts = record.facts
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": facts["token"],
        "RAY_API_SERVER_ADDRESS": facts["dashboard"],  # ray job submit
        "RAY_DASHBOARD_ADDRESS": facts["dashboard"],  # serve deploy
    }
    return Cluster(
        address=facts["address"],
        dashboard_url=facts["dashboard"],
        environment=environment,
        nodes=record.processes,
    )


def _token(state_dir: Path) -> Path:
    """Return the file of the token; made at the first start, kept for the later ones."""
    path = state_dir / "ray-token"
    if not path.exists():
        write_private(path, secrets.token_hex(32))
    return path


def _await(launch: Launch, nodes: int, deadline_s: float) -> None:
    starting = _from_record(launch.record)
    what = f"The Ray cluster of {nodes} nodes" if nodes > 1 else "The Ray head"
    wait_until(lambda: starting.living_nodes() >= nodes, what=what, needs=launch.needs(), deadline_s=deadline_s)


app = typer.Typer(help="A Ray cluster of a head and workers on this machine.", no_args_is_help=True)
Workers = Annotated[int, typer.Option(min=1, help="Number of worker nodes.")]
WorkerCpus = Annotated[int, typer.Option(min=1, help="Logical CPUs of each worker node.")]


@app.command("start")
def start_command(
    state_dir: StateDir = DEFAULT_STATE_DIR,
    workers: Workers = Shape.workers,
    worker_cpus: WorkerCpus = Shape.worker_cpus,
) -> None:
    """Start it and print what to export; where it is running, only print.

    Its nodes get the environment of this command, and the keys of the object store of the same state folder.
    """
    started = running(state_dir)
    if started is None:
        store = object_store.running(state_dir)
        shape = Shape(workers=workers, worker_cpus=worker_cpus)
        started = start(state_dir, shape=shape, environment=store.environment if store else None)
    else:
        say("already running")
    say(f"{started.living_nodes()} nodes at {started.address}; dashboard and jobs at {started.dashboard_url}")
    print_exports(started.environment, unset=("RAY_ADDRESS", "RAY_AUTH_TOKEN"))


@app.command("stop")
def stop_command(state_dir: StateDir = DEFAULT_STATE_DIR) -> None:
    """Stop it with all that runs on it."""
    say("stopped" if stop(state_dir) else "not running")


@app.command("status")
def status_command(state_dir: StateDir = DEFAULT_STATE_DIR) -> None:
    """Say whether it is running; exit code 1 where it is not."""
    found = running(state_dir)
    if found is None:
        say("not running")
        raise typer.Exit(1)
    say(f"running: {found.living_nodes()} of {len(found.nodes)} nodes, dashboard at {found.dashboard_url}")


if __name__ == "__main__":
    run(app)
