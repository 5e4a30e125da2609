"""Keys, what happens when there is too much to do, and what is written down of it, on a real Ray Serve."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import ray

from cirray.service import ServiceHandle, start
from infra.local.ports import free_ports
from tests.service_world import INDEX

pytestmark = pytest.mark.ray

READ, WRITE = "read-0123456789abcdef", "write-0123456789abcdef"
LIMIT = 2

Found = TypeVar("Found")


@pytest.fixture(scope="module")
def guarded(ray_session: None, served_root: str) -> Iterator[ServiceHandle]:
    """A service with keys, that works on two requests at a time. It listens on all addresses, which needs keys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIRRAY_READ_KEY", READ)
        patch.setenv("CIRRAY_WRITE_KEY", WRITE)
        args = {"root": served_root, "index": INDEX, "max_requests": LIMIT}
        with start(args, host="0.0.0.0", port=free_ports(1)[0], timeout_s=300.0) as handle:
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


def test_too_many_at_a_time_are_answered_with_problems(guarded: ServiceHandle) -> None:
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
        told = Counter((answer.status_code, answer.headers["content-type"]) for answer in answers)
        assert set(told) == {(200, "application/json"), (503, "application/problem+json")}, told
        refused = [answer for answer in answers if answer.status_code == 503]
        assert {answer.json()["code"] for answer in refused} == {"overloaded"}
        assert {answer.headers["retry-after"] for answer in refused} == {"1"}
        assert client.post("/v1/search", json=body).status_code == 200


def test_ray_exports_the_metrics_and_the_replica_logs_json(guarded: ServiceHandle) -> None:
    httpx.get(f"{guarded.url}/v1/items", headers={"authorization": f"Bearer {WRITE}", "x-request-id": "line-1"})
    (line,) = eventually(lambda: [line for line in log_lines() if line.get("request_id") == "line-1"])
    assert (line["route"], line["code"], line["method"], line["degraded"]) == ("/v1/items", 200, "GET", False)
    assert (line["caller"], line["deployment"]) == ("write key", "search_Search")
    assert line["ms"] > 0
    text = "ray_cirray_requests_total{"
    exported = eventually(lambda: [page for page in metric_pages() if text in page])
    assert any('route="/v1/items"' in row for row in exported[0].splitlines() if row.startswith(text))


def eventually(look: Callable[[], list[Found]]) -> list[Found]:
    """Return what is found, once it is; Ray writes logs and metrics down every few seconds."""
    deadline = time.monotonic() + 90
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return found


def log_lines() -> Iterator[dict[str, Any]]:
    session = ray.worker.global_worker.node.get_session_dir_path()
    for file in Path(session, "logs", "serve").glob("*Search*.log"):
        yield from map(json.loads, file.read_text().splitlines())


def metric_pages() -> Iterator[str]:
    for node in ray.nodes():
        with contextlib.suppress(httpx.TransportError):
            yield httpx.get(f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics").text
