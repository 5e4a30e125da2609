"""Keys, and what happens when there is too much to do, on a real Ray Serve."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cirray.service import ServiceHandle, start
from infra.local.ports import free_ports
from tests.service_world import INDEX

pytestmark = pytest.mark.ray

READ, WRITE = "read-0123456789abcdef", "write-0123456789abcdef"
LIMIT = 2


@pytest.fixture(scope="module")
def guarded(ray_session: None, served_root: str) -> Iterator[ServiceHandle]:
    """A service with keys, that works on two requests at a time. It listens on all addresses, which needs keys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIRRAY_READ_KEY", READ)
        patch.setenv("CIRRAY_WRITE_KEY", WRITE)
        args = {"root": served_root, "index": INDEX, "max_requests": LIMIT}
        with start(args, host="0.0.0.0", port=free_ports(1)[0]) as handle:
            yield handle


def test_keys_come_through_serve(guarded: ServiceHandle) -> None:
    with httpx.Client(base_url=guarded.url, timeout=30.0) as client:
        assert [client.get(path).status_code for path in ("/", "/livez", "/readyz", "/problems/forbidden")] == [
            200
        ] * 4
        refused = client.get("/v1/items")
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
        assert refused.headers["www-authenticate"] == 'Bearer realm="cirray"'
        client.headers["authorization"] = f"Bearer {READ}"
        assert client.get("/v1/items").status_code == 200
        assert client.post("/v1/nothing", json={}).json()["code"] == "forbidden"
        client.headers["authorization"] = f"Bearer {WRITE}"
        assert client.post("/v1/nothing", json={}).json()["code"] == "not-found"


def test_too_many_at_a_time_are_answered_with_problems_and_beyond_that_with_serves_own_words(
    guarded: ServiceHandle,
) -> None:
    headers = {"authorization": f"Bearer {READ}"}
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    with httpx.Client(base_url=guarded.url, timeout=60.0, headers=headers, limits=limits) as client:
        first = client.get("/v1/items?limit=1").json()["items"][0]
        picture = base64.b64encode(client.get(first["image_url"]).content).decode()
        body = {"reference": {"image": picture}, "text": "make it red", "timeout_ms": 30_000}

        def ask(_: int) -> httpx.Response:
            return client.post("/v1/search", json=body)

        with ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(ask, range(200)))
        told = Counter()
        for answer in answers:
            kind = answer.headers["content-type"].partition(";")[0]
            told[answer.status_code, kind] += 1
            if answer.status_code != 200:
                assert answer.headers["retry-after"] == "1"
        print(told)
        assert set(told) <= {(200, "application/json"), (503, "application/problem+json"), (503, "text/plain")}
        assert told[200, "application/json"] >= LIMIT
        problems = [answer.json() for answer in answers if "problem" in answer.headers["content-type"]]
        assert problems
        assert {problem["code"] for problem in problems} == {"overloaded"}
        assert client.post("/v1/search", json=body).status_code == 200
