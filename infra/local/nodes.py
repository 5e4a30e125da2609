"""One node of the local Ray cluster: how large it is, and the `ray start` that makes it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local.ledger import Launch

# Of another cluster or another token, in the shell that starts this one.
_FOREIGN = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN", "RAY_TMPDIR")
# Of another account: they would be sent along with the keys that the nodes are given, and refused.
_FOREIGN_AWS = ("AWS_SESSION_TOKEN", "AWS_PROFILE")


@dataclass(frozen=True)
class Shape:
    """How large the cluster is.

    Attributes:
        workers: number of worker nodes.
        worker_cpus: logical CPUs of each; they need not exist, they say how many tasks run at once.
        head_cpus: logical CPUs of the head, where the drivers of submitted jobs run too.
        object_store_mb: memory of each node's object store, in megabytes; Ray wants 79 at least.
    """

    workers: int = 2
    worker_cpus: int = 2
    head_cpus: int = 1
    object_store_mb: int = 200


def node_address(number: int) -> str:
    """Return the address of a node, the head being number 0: each has its own, as on separate machines."""
    # All of 127/8 is this machine. Not 127.0.0.1 itself, which Ray takes to mean the address of the network card.
    return f"127.0.0.{2 + number}"


def start_node(launch: Launch, number: int, shape: Shape, role: list[str], added: Mapping[str, str]) -> None:
    """Start one node.

    Args:
        launch: the start that the node belongs to.
        number: 0 for the head, from 1 on for the workers.
        shape: how large the node is.
        role: what `ray start` needs to know to make a head, or to join one.
        added: environment of the node and so of every task on it, beside that of this process.
    """
    name = f"worker-{number}" if number else "head"
    command = [
        str(Path(sys.executable).with_name("ray")),
        "start",
        "--block",  # one process to stop, which takes all others of the node with it
        *role,
        f"--node-name={name}",
        f"--node-ip-address={node_address(number)}",
        # The default is one and the same port for all nodes of the machine.
        "--dashboard-agent-listen-port=0",
        f"--num-cpus={shape.worker_cpus if number else shape.head_cpus}",
        f"--object-store-memory={shape.object_store_mb * 1_000_000}",
        # A folder each, and a short one: a socket's path has 107 characters at most, and Ray adds some 60.
        f"--temp-dir={launch.scratch / name}",
    ]
    launch.spawn(name, command, _environment(added))


def _environment(added: Mapping[str, str]) -> dict[str, str]:
    foreign = (*_FOREIGN, *(_FOREIGN_AWS if "AWS_ACCESS_KEY_ID" in added else ()))
    inherited = {name: value for name, value in os.environ.items() if name not in foreign}
    # A job says `python jobs/train.py`: it must find this Python, be its environment activated or not.
    path = os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)])
    defaults = {
        "RAY_USAGE_STATS_ENABLED": "0",
        # Else a node told to end waits up to 30 s for what runs on it; here all nodes end together.
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
    }
    return {**defaults, **inherited, **added, "PATH": path}
