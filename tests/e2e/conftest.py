"""The service on a real Ray Serve, over real HTTP."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from cirray.search import SearchEngine
from cirray.service import ServiceHandle, ServingSet, start
from cirray.storage import Root
from tests.service_world import INDEX, make_root


@pytest.fixture(scope="session")
def served_root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    return make_root(tmp_path_factory.mktemp("e2e") / "root", num_scenes=60)


@pytest.fixture(scope="session")
def engine(served_root: Root) -> SearchEngine:
    """What the service must agree with: the same artifacts, searched in this process."""
    opened = ServingSet.open(served_root, INDEX)
    shards = [opened.index.open_shard(number) for number in range(opened.index.num_shards)]
    return SearchEngine(opened.open_bundle(), opened.dataset, opened.index, shards)


@pytest.fixture(scope="session")
def service(ray_session: None, served_root: Root) -> Iterator[ServiceHandle]:
    with start({"root": served_root.uri, "index": INDEX}, port=free_port()) as handle:
        yield handle


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
