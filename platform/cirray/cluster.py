"""The Ray that a verb works on: the one it was submitted to, or one of its own on this machine."""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from cirray.errors import CirrayError, ClusterError

MIN_CPUS = 2
"""Logical CPUs of a Ray of our own, even on one core: one for training, one for data."""

CONNECT_TIMEOUT_S = 5.0
"""How long a cluster may take to accept a connection; Ray itself would try for more than a minute."""


def set_ray_defaults() -> None:
    """Settle, before Ray is imported, what it would otherwise settle differently from place to place.

    Authentication is by token unless `RAY_AUTH_MODE` says otherwise (Ray's own default depends on whether a token
    file happens to exist), usage statistics are not sent, and workers do not ask a cloud's metadata service.
    """
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    # How soon training sees that a worker died, and that all are done; Ray's default is 2 s.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
    # Progress is shown by the verbs themselves; Ray Data's bars would draw over it.
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")


def usable_cores() -> int:
    """Return on how many cores this process may run, which can be fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)  # there is none on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@contextmanager
def ray_cluster(*, dashboard: bool = False) -> Iterator[None]:
    """Be connected to Ray in the block: to `RAY_ADDRESS` where it is set (as in a submitted job), else to a new one.

    A Ray of our own listens on this machine only, and is gone after the block. Inside another such block, or where
    the caller is connected already, nothing happens. In the block standard output goes to standard error: Ray tells
    there what befalls its processes, and standard output is for results.

    Args:
        dashboard: whether a Ray of our own runs its dashboard, on this machine only. Trials of Ray Tune need it: Ray
            Train asks it which runs are over, and frees what those of stopped trials hold.

    Raises:
        ClusterError: the cluster cannot be reached, or none can be started here.
    """
    set_ray_defaults()
    import ray

    if ray.is_initialized():
        yield
        return
    if address := os.environ.get("RAY_ADDRESS"):
        _check_reachable(address)
        with _cluster_errors(f"The cluster at RAY_ADDRESS={address} cannot be used", _MEND_ADDRESS):
            ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    else:
        with _cluster_errors("Ray cannot be started on this machine", "Check its memory and the room in /tmp."):
            ray.init(
                address="local",
                num_cpus=max(MIN_CPUS, usable_cores()),
                include_dashboard=dashboard,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        _protect_token()
    _quieten()
    with redirect_stdout(sys.stderr):
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise an error of cirray that happened in one of Ray's workers as the error that it is."""
    from ray.exceptions import RayError

    try:
        yield
    except RayError as error:
        own = own_error(error)
        if own is None:
            raise
        raise own from error


def own_error(error: BaseException) -> CirrayError | None:
    """Return the error of cirray that is at the bottom of `error`, or None."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, CirrayError):
        cause = unwrapped(cause) or cause.__cause__
    return cause


def unwrapped(error: BaseException) -> BaseException | None:
    """Return what Ray wrapped in `error`: the error of a task, of Ray Train's controller or of its worker."""
    for name in ("cause", "controller_failure", "_base_exc"):
        if isinstance(inner := getattr(error, name, None), BaseException):
            return inner
    return None


_MEND_ADDRESS = "Start that cluster, set RAY_ADDRESS to one that runs, or unset it to work on this machine."


def _check_reachable(address: str) -> None:
    """Make sure that something listens where an address of the form host:port, or ray://host:port, points."""
    found = re.fullmatch(r"(?:ray://)?\[?([^/]+?)\]?:(\d+)", address)
    if found is None:
        return
    try:
        socket.create_connection((found[1], int(found[2])), timeout=CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise ClusterError(
            f"The cluster at RAY_ADDRESS={address} does not answer: {error}.", hint=_MEND_ADDRESS
        ) from None


@contextmanager
def _cluster_errors(what: str, hint: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Ray raises whatever went wrong underneath: connections, versions, tokens, processes that died.
        reason = str(error).strip().splitlines()
        raise ClusterError(f"{what}: {reason[0] if reason else type(error).__name__}.", hint=hint) from error


def _quieten() -> None:
    """Keep Ray's libraries from telling of each thing they do: what matters is shown by the verbs."""
    import ray.data
    import ray.serve

    for library in (ray.data, ray.serve):
        logging.getLogger(library.__name__).setLevel(logging.ERROR)


def _protect_token() -> None:
    """Let only the owner read the token that Ray wrote; Ray leaves it readable to all."""
    token = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    if token.is_file():
        token.chmod(0o600)
