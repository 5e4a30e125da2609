"""The verb `serve`: a service that runs until it is told to stop, or stays on the cluster."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence

from cirray.cli.display import Display
from cirray.cluster import ray_cluster
from cirray.config import override
from cirray.errors import ConfigError
from cirray.service import ServiceConfig, ServingSet, check_host, start
from cirray.storage import Root


def serve_index(
    root: Root,
    index: str,
    version: str | None,
    host: str,
    port: int,
    detach: bool,
    assignments: Sequence[str],
    display: Display,
) -> None:
    """Serve an index until interrupted or terminated, or, with `detach`, leave it running on the cluster.

    Raises:
        ConfigError: `detach` is asked for on a Ray that ends with this process, or a setting is wrong.
        CirrayError: the index does not exist, the cluster cannot be reached, or the service does not come up.
    """
    if detach and not os.environ.get("RAY_ADDRESS"):
        raise ConfigError(
            "--detach leaves the service to a cluster, and RAY_ADDRESS names none.",
            hint="Set RAY_ADDRESS, submit this as a job, or serve without --detach.",
        )
    given = ServiceConfig(root=root.uri, index=index, version=version)
    args = override(given, assignments).model_dump(mode="json")
    # What is not there, or not safe, is said before a Ray is started for it.
    check_host(host, args)
    ServingSet.open(root, index, version)
    with ray_cluster():
        with display.step(f"start serving {index}"):
            handle = start(args, host=host, port=port)
        display.say(f"{handle.url}/ (the page), {handle.url}/openapi.json (the API)")
        if detach:
            return
        display.say("stop with Ctrl-C")
        with handle:
            _wait_for_the_end()
        display.say("stopped")


def _wait_for_the_end() -> None:
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    over.wait()
