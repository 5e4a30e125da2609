"""Who is let in: keys, rates, and no more at a time than can be worked on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import httpx
import pytest

from cirray.search import Query, SearchEngine
from cirray.service import Backend, Gallery, Keys, LocalShard, Protection, RateLimit, create_api
from cirray.service.fanout import ShardFaultError
from cirray.service.guard import READING_POSTS, needed_role
from cirray.service.problem_types import PROBLEM_TYPES
from tests.asgi_client import Api

READ, WRITE = "read-0123456789abcdef", "write-0123456789abcdef"
OK = {"reference": {"id": "css_test_000000"}, "text": "make the circle red"}
OPEN = ["/", "/assets/app.js", "/livez", "/readyz", "/problems/unauthorized", "/openapi.json"]

Protect = Callable[..., Api]


@pytest.fixture
def protect(engine: SearchEngine, gallery: Gallery) -> Protect:
    def make(**settings: object) -> Api:
        shards = [LocalShard(number, shard) for number, shard in enumerate(engine.shards)]
        protection = Protection(**settings)  # type: ignore[arg-type]  # each test gives some of the fields
        return Api(create_api(Backend(engine, gallery, shards), protection=protection))

    return make


@pytest.fixture
def locked(protect: Protect) -> Api:
    return protect(keys=Keys.of(READ, WRITE))


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def check(answer: httpx.Response, code: str) -> httpx.Response:
    kind = PROBLEM_TYPES[code]
    assert (answer.status_code, answer.json()["code"]) == (kind.status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    return answer


@pytest.mark.parametrize("path", OPEN)
def test_the_page_the_probes_and_the_descriptions_are_open(locked: Api, path: str) -> None:
    assert locked.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/v1/items", "/v1/indexes", "/v1/items/css_test_000000/image", "/v1", "/livez/x"])
def test_all_else_needs_a_key(locked: Api, path: str) -> None:
    answer = check(locked.get(path), "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="cirray"'
    assert locked.get(path, headers=bearer(READ)).status_code in (200, 404)


@pytest.mark.parametrize(
    "shown", ["Bearer nonsense-0123456789", "Bearer", f"Basic {READ}", READ, "Bearer " + READ[:-1], ""]
)
def test_a_wrong_key_is_told_from_none(locked: Api, shown: str) -> None:
    answer = check(locked.get("/v1/items", headers={"authorization": shown}), "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="cirray", error="invalid_token"'
    assert READ not in answer.text


def test_a_key_in_an_address_opens_nothing(locked: Api) -> None:
    check(locked.get("/v1/items", params={"key": READ, "access_token": READ}), "unauthorized")


def test_both_keys_read_and_only_one_writes(locked: Api) -> None:
    for key in (READ, WRITE):
        for scheme in ("Bearer", "bearer"):
            headers = {"authorization": f"{scheme} {key}"}
            assert locked.request("POST", "/v1/search", json=OK, headers=headers).status_code == 200
    for method, path in [("POST", "/v1/feedback"), ("DELETE", "/v1/search"), ("PUT", "/v1/aliases/live")]:
        answer = check(locked.request(method, path, json={}, headers=bearer(READ)), "forbidden")
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
        assert locked.request(method, path, json={}, headers=bearer(WRITE)).status_code in (404, 405, 422)


def test_a_body_is_not_read_before_the_key(locked: Api) -> None:
    read = False

    async def body() -> object:
        nonlocal read
        read = True
        yield b"{}"

    check(locked.request("POST", "/v1/search", content=body()), "unauthorized")
    assert not read


def test_without_keys_only_the_own_machine_is_answered_unless_it_is_said(protect: Protect) -> None:
    def ask(api: Api, host: str) -> httpx.Response:
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(api.app, client=(host, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.get("/v1/items?limit=1")

        return asyncio.run(run())

    by_default = protect()
    for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert ask(by_default, host).status_code == 200
    for host in ("192.0.2.1", "2001:db8::1", "", "testclient"):
        assert "own machine only" in check(ask(by_default, host), "unauthorized").json()["detail"]
        assert ask(protect(open_to="everyone"), host).status_code == 200
    assert check(ask(protect(keys=Keys.of(READ)), "127.0.0.1"), "unauthorized")


def test_a_caller_that_asks_too_often_is_told_when_to_come_back(protect: Protect) -> None:
    now = 0.0
    api = protect(keys=Keys.of(READ, WRITE), rate=RateLimit(0.5, 2, lambda: now))

    def ask(key: str) -> httpx.Response:
        return api.request("POST", "/v1/search", json=OK, headers=bearer(key))

    assert [ask(READ).status_code for _ in range(2)] == [200, 200]
    assert check(ask(READ), "rate-limited").headers["retry-after"] == "2"
    assert ask(WRITE).status_code == 200
    assert api.get("/readyz").status_code == 200
    now = 2.0
    assert ask(READ).status_code == 200
    check(api.get("/v1/items", headers=bearer(READ)), "rate-limited")


def test_looking_costs_a_tenth(protect: Protect) -> None:
    api = protect(rate=RateLimit(0.001, 2))
    assert [api.get("/v1/items?limit=1").status_code for _ in range(21)] == [*[200] * 20, 429]


def test_addresses_have_buckets_of_their_own_and_an_ipv6_network_has_one(protect: Protect) -> None:
    app = protect(open_to="everyone", rate=RateLimit(0.001, 1)).app

    async def run(host: str) -> int:
        transport = httpx.ASGITransport(app, client=(host, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return (await client.post("/v1/search", json={})).status_code

    hosts = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "192.0.2.1"]
    assert [asyncio.run(run(host)) for host in hosts] == [422, 422, 422, 429, 422, 429]


def test_what_is_too_many_at_a_time_is_refused_and_the_probes_are_not(
    protect: Protect, engine: SearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, go = protect(max_requests=2), threading.Event()
    inside = threading.Semaphore(0)
    prepare = engine.prepare

    def slow(query: Query) -> object:
        inside.release()
        assert go.wait(10)
        return prepare(query)

    monkeypatch.setattr(engine, "prepare", slow)

    async def run() -> tuple[list[httpx.Response], list[httpx.Response]]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://test") as client:
            working = [asyncio.create_task(client.post("/v1/search", json=OK)) for _ in range(2)]
            for _ in range(2):
                await asyncio.to_thread(inside.acquire)
            refused = [await client.post("/v1/search", json=OK), await client.get("/v1/items")]
            refused.append(await client.get("/livez"))
            go.set()
            return refused, [*(await asyncio.gather(*working)), await client.get("/v1/items")]

    refused, answered = asyncio.run(run())
    assert check(refused[0], "overloaded").headers["retry-after"] == "1"
    check(refused[1], "overloaded")
    assert refused[2].status_code == 200
    assert [answer.status_code for answer in answered] == [200, 200, 200]


def test_shards_that_are_all_full_are_an_overload(engine: SearchEngine, gallery: Gallery) -> None:
    class Full:
        async def ask(self, *_: object, **__: object) -> list[object]:
            raise ShardFaultError("overloaded")

        async def probe(self, version: str) -> None:
            raise ShardFaultError("overloaded")

    api = Api(create_api(Backend(engine, gallery, [Full(), Full()])))  # type: ignore[list-item]
    assert check(api.search(**OK), "overloaded").headers["retry-after"] == "1"


def test_openapi_says_what_the_guard_may_answer(api: Api) -> None:
    document = api.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            role = needed_role(method.upper(), path)
            assert ("security" in operation) == (role is not None), path
            assert {"401", "429", "503"} <= set(operation["responses"]) or role is None, path
            assert ("403" in operation["responses"]) == (role == "write"), path
    assert READING_POSTS & set(document["paths"])
