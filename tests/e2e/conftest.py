"""The service on a real Ray Serve, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import ray
from ray.util import list_named_actors

from cirray.search import SearchEngine
from cirray.service import ServiceHandle, ServingSet, shard_name, start
from cirray.storage import Root
from infra.local.ports import free_ports
from tests.service_world import INDEX, make_root


@pytest.fixture(scope="session")
def served_root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A root to serve. How well its model was trained is of no account here, so it was not."""
    return make_root(tmp_path_factory.mktemp("served") / "root", num_scenes=80).place.path


@pytest.fixture(scope="session")
def served(served_root: str) -> ServingSet:
    return ServingSet.open(Root.open(served_root), INDEX)


@pytest.fixture(scope="session")
def engine(served: ServingSet) -> SearchEngine:
    """What the service must agree with: the same artifacts, searched in this process."""
    shards = [served.index.open_shard(number) for number in range(served.index.num_shards)]
    return SearchEngine(served.open_bundle(), served.dataset, served.index, shards)


@pytest.fixture(scope="module")
def service(ray_session: None, served_root: str) -> Iterator[ServiceHandle]:
    with start({"root": served_root, "index": INDEX}, port=free_ports(1)[0]) as handle:
        yield handle


@pytest.fixture
def free_port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="session")
def kill_shard() -> Callable[[int], None]:
    """Return a function that kills the replicas of a shard."""

    def kill(number: int) -> None:
        replicas = [
            actor
            for actor in list_named_actors(all_namespaces=True)
            if actor["name"].startswith("SERVE_REPLICA") and f"#{shard_name(number)}#" in actor["name"]
        ]
        assert replicas
        for replica in replicas:
            ray.kill(ray.get_actor(replica["name"], namespace=replica["namespace"]))

    return kill
