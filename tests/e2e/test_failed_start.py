"""A service that cannot start says why, and leaves nothing running."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from ray import serve

from cirray.bundles import Bundle
from cirray.errors import MismatchError
from cirray.service import ServiceError, ServingSet, start
from cirray.service.runner import check_port
from cirray.storage import Root
from tests.service_world import INDEX, MODEL, make_root, put_bundle

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture
def own_root(tmp_path: Path) -> Root:
    return make_root(tmp_path / "root")


def check_nothing_runs(port: int) -> None:
    assert not serve.status().applications
    assert not serve.status().proxies
    check_port("127.0.0.1", port)


def test_a_port_that_is_taken(ray_session: None, own_root: Root) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=f"127.0.0.1:{port}"):
            start({"root": own_root.uri, "index": INDEX}, port=port)
    check_nothing_runs(port)


def test_artifacts_that_do_not_belong_together(ray_session: None, own_root: Root, free_port: int) -> None:
    opened = ServingSet.open(own_root, INDEX)
    place = own_root.model(MODEL).place / opened.bundle.version
    place.delete()
    put_bundle(own_root, opened.dataset, seed=1, version_of=0)
    other = Bundle.open(own_root.model(MODEL).open(opened.bundle.version))
    with pytest.raises(MismatchError) as raised:
        start({"root": own_root.uri, "index": INDEX}, port=free_port)
    assert other.fingerprint in str(raised.value)
    assert opened.bundle.digest in str(raised.value)
    check_nothing_runs(free_port)


def test_a_shard_that_is_damaged(ray_session: None, own_root: Root, free_port: int) -> None:
    artifact = own_root.index(INDEX).open()
    entry = artifact.entry("shard-00001/index.faiss")
    file = artifact.place / entry.path
    file.write(file.read()[:-1] + b"?")
    with pytest.raises(ServiceError, match=r"Shard01.*not what its manifest lists"):
        start({"root": own_root.uri, "index": INDEX}, port=free_port)
    check_nothing_runs(free_port)


def test_a_cluster_that_is_too_small(ray_session: None, own_root: Root, free_port: int) -> None:
    args = {"root": own_root.uri, "index": INDEX, "cpus_per_replica": 1000}
    with pytest.raises(ServiceError, match="not ready after 3 s"):
        start(args, port=free_port, timeout_s=3.0)
    check_nothing_runs(free_port)
