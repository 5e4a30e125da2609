"""Starting the service from a Python process, and stopping it again."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx
import ray
from ray import serve
from ray.serve import RunTarget
from ray.serve.config import HTTPOptions
from ray.serve.schema import ApplicationStatus

from cirray.service.builder import build_app
from cirray.service.guard import is_loopback
from cirray.service.keys import Keys
from cirray.service.refusals import ServiceError

APP_NAME = "search"

_ALL_INTERFACES = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_POLL_S = 0.1

_shutdown: Callable[[], None] = serve.shutdown


@dataclass(frozen=True)
class ServiceHandle:
    """A service that answers. As a context manager it stops at the end.

    Attributes:
        url: where, such as "http://127.0.0.1:8000".
    """

    url: str

    def stop(self) -> None:
        """Stop the service and Serve with it; it was started for this service alone."""
        _shutdown()

    def __enter__(self) -> ServiceHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(
    args: Mapping[str, Any], *, host: str = "127.0.0.1", port: int = 8000, timeout_s: float = 120.0
) -> ServiceHandle:
    """Start the service on the Ray that this process is connected to, and return once every shard answers.

    The HTTP proxy runs on Ray's head node. Nothing is left running where this fails.

    Args:
        args: as `build_app` takes them.
        host: address to listen on; the default is this machine's own loopback, where no keys are needed.
        port: to listen on.
        timeout_s: how long to wait for the shards.

    Raises:
        ServiceError: others could reach the service and it has no keys, Ray was not started, Serve runs already, the
            port is taken, or the service does not come up.
        CirrayError: what `build_app` raises.
    """
    if not ray.is_initialized():
        raise ServiceError("The service runs on Ray, and Ray was not started.", hint="Call ray.init() first.")
    check_host(host, args)
    app = build_app(args)
    if serve.status().proxies:
        raise ServiceError(
            "Ray Serve runs on this cluster already.",
            hint="Stop it with `serve shutdown`, or change what it runs with `serve deploy`.",
        )
    check_port(host, port)
    url = _url(host, port)
    try:
        serve.start(proxy_location="HeadOnly", http_options=HTTPOptions(host=host, port=port))
        # Serve itself would wait without end for replicas that the cluster has no room for.
        serve.run_many([RunTarget(app, APP_NAME, "/")], wait_for_applications_running=False)
        _wait_until_ready(url, timeout_s)
    except BaseException:
        _shutdown()
        raise
    return ServiceHandle(url)


def check_host(host: str, args: Mapping[str, Any]) -> None:
    """Make sure that not everybody who reaches an address is to be answered without a key by mistake.

    Raises:
        ServiceError: others than this machine reach it, there are no keys, and `args` do not say that this is meant.
        ConfigError: the keys in the environment cannot be keys.
    """
    if is_loopback(host) or Keys.from_environment() or args.get("open_to") == "everyone":
        return
    raise ServiceError(
        f"Others can reach {host}, and the service has no keys.",
        hint="Set CIRRAY_READ_KEY and CIRRAY_WRITE_KEY (or CIRRAY_READ_KEY_FILE and CIRRAY_WRITE_KEY_FILE); where "
        "something in front of it checks its callers, --set open_to=everyone.",
    )


def check_port(host: str, port: int) -> None:
    """Make sure that a server could listen on this port.

    Serve itself would not notice: its sockets share a port with whoever else allows it.

    Raises:
        ServiceError: it is taken, or this machine has no such address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # Connections of a server that has just stopped linger; they are no reason to refuse.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError, UnicodeError) as error:
        raise ServiceError(
            f"The service cannot listen on {host}:{port}: {error}.",
            hint="Choose another port, or stop what uses this one.",
        ) from None


def _url(host: str, port: int) -> str:
    reachable = _ALL_INTERFACES.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _wait_until_ready(url: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    with httpx.Client(base_url=url, timeout=5.0) as client:
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if client.get("/readyz").status_code == 200:
                    return
            if (failure := _failure()) is not None:
                raise ServiceError(f"The service did not come up. {failure}")
            time.sleep(_POLL_S)
    raise ServiceError(
        f"The service was not ready after {timeout_s:g} s. {_unhealthy()}",
        hint="Give it more time, or see whether the cluster has CPUs left.",
    )


def _failure() -> str | None:
    app = serve.status().applications.get(APP_NAME)
    if app is None or app.status != ApplicationStatus.DEPLOY_FAILED:
        return None
    return _unhealthy() or _last_line(app.message)


def _unhealthy() -> str:
    """Return what Serve says of the deployments that are not healthy, a line each."""
    app = serve.status().applications.get(APP_NAME)
    deployments = app.deployments.items() if app else ()
    return " ".join(
        f"{name}: {_last_line(deployment.message)}"
        for name, deployment in deployments
        if deployment.status != "HEALTHY"
    )


def _last_line(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1] if lines else "Serve does not say why."
