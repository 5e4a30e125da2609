"""The verb `serve`: a service that runs until it is told to stop, or stays on the cluster."""

from __future__ import annotations

import os
import signal
import threading

from cirray.cli.display import Display
from cirray.cluster import ray_cluster
from cirray.errors import ConfigError
from cirray.service import ServingSet, start
from cirray.storage import Root


def serve_index(
    root: Root, index: str, version: str | None, host: str, port: int, detach: bool, display: Display
) -> None:
    """Serve an index until interrupted or terminated, or, with `detach`, leave it running on the cluster.

    Raises:
        ConfigError: `detach` is asked for on a Ray that ends with this process.
        CirrayError: the index does not exist, the cluster cannot be reached, or the service does not come up.
    """
    if detach and not os.environ.get("RAY_ADDRESS"):
        raise ConfigError(
            "--detach leaves the service to a cluster, and RAY_ADDRESS names none.",
            hint="Set RAY_ADDRESS, submit this as a job, or serve without --detach.",
        )
    # What is not there is said before a Ray is started for it.
    ServingSet.open(root, index, version)
    with ray_cluster():
        with display.step(f"start serving {index}"):
            handle = start({"root": root.uri, "index": index, "version": version}, host=host, port=port)
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
