"""Who may ask, how often, and how many at a time: decided before a byte of the body is read."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass, field
from typing import Literal

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cirray.errors import CirrayError
from cirray.service.keys import Keys, Role
from cirray.service.problems import problem_response
from cirray.service.rate import RateLimit
from cirray.service.refusals import ForbiddenError, OverloadedError, RateLimitedError, UnauthorizedError

OpenTo = Literal["loopback", "everyone"]

READING_POSTS = frozenset({"/v1/search", "/v1/search/batch", "/v1/compose", "/v1/explain"})
"""What is sent by POST and changes nothing; every other method than GET and HEAD is taken to be a write."""

LOOK_COST = 0.1
"""Tokens that a GET costs: a page shows dozens of pictures for each search."""

_OPEN = re.compile(r"/(livez|readyz|openapi\.json|(assets|problems)/.*)?", re.DOTALL)
"""What needs no key: the page (which asks for one), the probes, and what the API and its problems are."""


@dataclass(frozen=True)
class Protection:
    """What the guard holds callers to.

    Attributes:
        keys: where there is one, every caller needs one.
        open_to: whom the service answers where there is no key.
        rate: of each key, or of each address where there are no keys.
        max_requests: requests that are worked on at a time.
    """

    keys: Keys = field(default_factory=Keys)
    open_to: OpenTo = "loopback"
    rate: RateLimit = field(default_factory=lambda: RateLimit(None, 1))
    max_requests: int = 64


def needed_role(method: str, path: str) -> Role | None:
    """Return what a caller must be allowed to for this; None where nobody is asked."""
    if _OPEN.fullmatch(path):
        return None
    reads = method in ("GET", "HEAD") or (method == "POST" and path in READING_POSTS)
    return "read" if reads else "write"


def is_loopback(host: str) -> bool:
    """Return whether only callers of the same machine have this address, or reach a server that listens on it."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


class Guard:
    """ASGI middleware that refuses callers without the right key, and requests that are too many.

    Args:
        app: what it goes around.
        protection: what it holds callers to.
    """

    def __init__(self, app: ASGIApp, protection: Protection) -> None:
        self.app = app
        self.protection = protection
        self.working = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        role = needed_role(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if role is None:
            return await self.app(scope, receive, send)
        try:
            self._admit(scope, role)
        except CirrayError as refusal:
            response = problem_response(
                scope["state"]["request_id"],
                scope["path"],
                refusal.code,
                refusal.message,
                hint=refusal.hint,
                headers={**_headers(refusal), "connection": "close"},  # the body is never read
            )
            return await response(scope, receive, send)
        self.working += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.working -= 1

    def _admit(self, scope: Scope, role: Role) -> None:
        """Let a request in.

        Raises:
            UnauthorizedError, ForbiddenError, RateLimitedError, OverloadedError: it may not come in.
        """
        caller = self._caller(scope, role)
        scope["state"]["caller"] = caller
        charge(self.protection.rate, caller, LOOK_COST if scope["method"] in ("GET", "HEAD") else 1.0)
        if self.working >= self.protection.max_requests:
            raise OverloadedError(f"{self.working} requests are being worked on, as many as are let in at a time.")

    def _caller(self, scope: Scope, role: Role) -> str:
        if not self.protection.keys:
            host = (scope.get("client") or ("", 0))[0]
            if self.protection.open_to == "loopback" and not is_loopback(host):
                raise UnauthorizedError(
                    "This service has no keys, and so answers callers of its own machine only.",
                    hint="Give it keys (CIRRAY_READ_KEY, CIRRAY_WRITE_KEY), or say open_to: everyone where something "
                    "in front of it checks its callers.",
                )
            return _network(host)
        shown = Headers(scope=scope).get("authorization")
        if shown is None:
            raise UnauthorizedError("The request has no key.")
        scheme, _, key = shown.partition(" ")
        has = self.protection.keys.role_of(key.strip()) if scheme.lower() == "bearer" else None
        if has is None:
            raise UnauthorizedError("The key is none of this service's.", invalid=True)
        if role == "write" and has == "read":
            raise ForbiddenError("The read key opens nothing that changes what is stored.")
        return f"{has} key"


def charge(rate: RateLimit, caller: str, cost: float) -> None:
    """Charge a caller for a request.

    Raises:
        RateLimitedError: it has asked for too much lately.
    """
    wait_s = rate.charge(caller, cost)
    if wait_s > 0:
        raise RateLimitedError(
            f"More than {rate.per_second:g} requests a second came from one caller ({rate.burst} at once).",
            retry_after_s=math.ceil(wait_s),
        )


def _network(host: str) -> str:
    """Return what stands for an address: for IPv6 the /64, all of which one caller has."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address.packed[:8] + bytes(8), 64)))
    return host


def _headers(refusal: CirrayError) -> dict[str, str]:
    if isinstance(refusal, UnauthorizedError):
        return {"www-authenticate": 'Bearer realm="cirray"' + (', error="invalid_token"' if refusal.invalid else "")}
    if isinstance(refusal, ForbiddenError):
        return {"www-authenticate": 'Bearer realm="cirray", error="insufficient_scope"'}
    if isinstance(refusal, RateLimitedError):
        return {"retry-after": str(refusal.retry_after_s)}
    return {}
