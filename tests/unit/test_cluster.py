"""A cluster that is not there is told at once, and how to mend it."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
import ray

from cirray.cluster import ray_cluster
from cirray.errors import ClusterError


@pytest.fixture(autouse=True)
def _connected_to_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever other tests have started."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)


@pytest.mark.parametrize("form", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}"])
def test_a_dead_address_is_an_error_within_seconds(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("Ray was left to find out"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = form.format(port=probe.getsockname()[1])
        monkeypatch.setenv("RAY_ADDRESS", address)
        started = time.monotonic()
        with pytest.raises(ClusterError, match=rf"RAY_ADDRESS={address} does not answer.*unset it"), ray_cluster():
            pass
    assert time.monotonic() - started < 10


def test_what_ray_says_becomes_an_error_that_names_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("Version mismatch: 2.1 and 2.60\nand much more")

    monkeypatch.setattr(ray, "init", fail)
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with pytest.raises(ClusterError, match=r"RAY_ADDRESS=auto cannot be used: Version mismatch: 2\.1 and 2\.60\. "):
        ray_cluster().__enter__()
    monkeypatch.delenv("RAY_ADDRESS")
    with pytest.raises(ClusterError, match=r"cannot be started on this machine: Version mismatch"):
        ray_cluster().__enter__()
