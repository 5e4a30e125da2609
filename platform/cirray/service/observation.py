"""One line in the log and one count for each request."""

from __future__ import annotations

import logging
import time
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cirray.service.meters import Meters

SERVE_LOG = "ray.serve"
"""The logger whose lines Serve writes to a replica's log file, as JSON where it is told to."""

NO_ROUTE = "none"
"""Route of requests that no route was looked up for, so that callers cannot make up labels."""

_LOGGER = logging.getLogger(f"{SERVE_LOG}.cirray")
_QUIET = ("/livez", "/readyz")


class Observation:
    """ASGI middleware that writes down each request: which, how it ended, and how long it took.

    Neither texts, pictures nor keys are in the log, only the path and what the service made of it.

    Args:
        app: what it goes around.
        meters: where the count goes.
    """

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self.app = app
        self.meters = meters
        self.depth = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = time.perf_counter()
        seen: dict[str, Any] = {"code": 500, "degraded": False}

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.update(code=message["status"], degraded="x-degraded" in Headers(raw=message["headers"]))
            await send(message)

        self._deeper(1)
        try:
            await self.app(scope, receive, watch)
        finally:
            self._deeper(-1)
            self._write(scope, seen, (time.perf_counter() - started) * 1000)

    def _deeper(self, by: int) -> None:
        self.depth += by
        self.meters.record("cirray_queue_depth", self.depth)

    def _write(self, scope: Scope, seen: dict[str, Any], took_ms: float) -> None:
        route = str(getattr(scope.get("route"), "path", NO_ROUTE))
        self.meters.record("cirray_requests_total", route=route, code=str(seen["code"]))
        level = logging.DEBUG if scope["path"] in _QUIET and seen["code"] < 400 else logging.INFO
        fields = {
            "request_id": scope["state"]["request_id"],
            "method": scope["method"],
            "route": route,
            "path": scope["path"],
            "code": seen["code"],
            "ms": round(took_ms, 2),
            "degraded": seen["degraded"],
            "caller": scope["state"].get("caller", ""),
        }
        _LOGGER.log(level, "%(method)s %(route)s %(code)s %(ms).1f ms", fields, extra=fields)
