"""The API over a real engine and real shards, all in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cirray.search import SearchEngine
from cirray.service import Backend, Gallery, LocalShard, ServingSet, ShardClient, create_api
from cirray.storage import Root
from tests.asgi_client import Api
from tests.service_world import INDEX, make_root

MakeApi = Callable[..., Api]


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    return make_root(tmp_path_factory.mktemp("served") / "root")


@pytest.fixture(scope="session")
def served(tiny_root: Root) -> ServingSet:
    return ServingSet.open(tiny_root, INDEX)


@pytest.fixture(scope="session")
def gallery(served: ServingSet) -> Gallery:
    return Gallery(served.dataset, served.index.details.split)


@pytest.fixture(scope="session")
def engine(served: ServingSet, gallery: Gallery) -> SearchEngine:
    shards = [served.index.open_shard(number) for number in range(served.index.num_shards)]
    return SearchEngine(served.open_bundle(), served.dataset, served.index, shards, gallery)


@pytest.fixture(scope="session")
def make_api(engine: SearchEngine, gallery: Gallery) -> MakeApi:
    """Return a function that makes the API, with other shards than its own where they are given by number."""

    def make(instead: dict[int, ShardClient] | None = None, **settings: Any) -> Api:
        shards: list[ShardClient] = [LocalShard(number, shard) for number, shard in enumerate(engine.shards)]
        for number, shard in (instead or {}).items():
            shards[number] = shard
        return Api(create_api(Backend(engine, gallery, shards, **settings)))

    return make


@pytest.fixture(scope="session")
def api(make_api: MakeApi) -> Api:
    return make_api()
