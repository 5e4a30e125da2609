"""What holds for every request: an id, a limit on the body, safe headers, and no answer but a problem on failure."""

from __future__ import annotations

import logging
import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cirray.service.problems import internal_problem, problem_response
from cirray.service.refusals import BodyTooLargeError

MAX_BODY_BYTES = 12 * 1024 * 1024
"""A picture of 9 MB as base64."""

SAFETY_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}

_LOGGER = logging.getLogger(__name__)
_REQUEST_ID = re.compile(r"[\x20-\x7e]{1,128}")


class Envelope:
    """ASGI middleware around everything else.

    It takes the caller's `x-request-id` (or makes one up) and echoes it, sets the safety headers, and answers an
    exception that nobody caught with the problem `internal`.

    Args:
        app: what it goes around.
        echo_request_id: whether to echo it; not where a server in front does.
    """

    def __init__(self, app: ASGIApp, echo_request_id: bool = True) -> None:
        self.app = app
        self.echo_request_id = echo_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request_id = _request_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                if self.echo_request_id:
                    headers["x-request-id"] = request_id
                for name, value in SAFETY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception:
            _LOGGER.exception("Request %s (%s %s) failed", request_id, scope["method"], scope["path"])
            if started:
                raise
            await internal_problem(request_id, scope["path"])(scope, receive, send_with_headers)


class BodyLimit:
    """ASGI middleware that reads at most `limit` bytes of a body, whatever its Content-Length says.

    The body is read here, before anything works on it, so that what is too long costs `limit` bytes and no more.
    """

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY_BYTES) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        try:
            body = await self._read(Headers(scope=scope), receive)
        except BodyTooLargeError as error:
            response = problem_response(
                scope["state"]["request_id"],
                scope["path"],
                error.code,
                str(error),
                headers={"connection": "close"},  # what is left of the body is never read
            )
            return await response(scope, receive, send)
        if body is None:
            return
        read = False

        async def replay() -> Message:
            nonlocal read
            if read:
                return await receive()
            read = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)

    async def _read(self, headers: Headers, receive: Receive) -> bytes | None:
        """Return the body, or None where the caller has gone.

        Raises:
            BodyTooLargeError: it is over the limit.
        """
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self.limit:
            raise self._too_large()
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self.limit:
                raise self._too_large()
            if not message.get("more_body", False):
                return bytes(body)

    def _too_large(self) -> BodyTooLargeError:
        return BodyTooLargeError(f"The body is over {self.limit / 2**20:g} MiB, the most that is read.")


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
