"""A proxy in front of an object store that does to requests what bad networks and busy stores do."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["slow-down", "reset", "cut", "lost-answer"]
"""503 SlowDown; a connection that breaks before an answer; an answer cut in the middle; a request that is done but
whose answer never arrives."""

SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)


@dataclass
class FaultyProxy:
    """The proxy, and what it did.

    Attributes:
        endpoint: its URL.
        decide: from (method, path) to the fault of the next such request, or None.
        asked: requests so far, by method.
        done: faults so far, by kind.
    """

    endpoint: str
    decide: Callable[[str, str], Fault | None]
    asked: Counter[str] = field(default_factory=Counter)
    done: Counter[Fault] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


def first(times: int, fault: Fault, method: str) -> Callable[[str, str], Fault | None]:
    """Return a decision: the first `times` requests of `method` meet the fault, all others pass."""
    left = [times]

    def decide(asked: str, path: str) -> Fault | None:
        if asked != method or left[0] == 0:
            return None
        left[0] -= 1
        return fault

    return decide


@contextmanager
def faulty_proxy(upstream: str, decide: Callable[[str, str], Fault | None]) -> Iterator[FaultyProxy]:
    """Run a proxy in front of `upstream`, an HTTP URL, on a free port of this machine."""
    target = urlsplit(upstream)
    proxy = FaultyProxy("", decide)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_expect_100(self) -> bool:
            return True  # the request goes on at once; the store behind is asked without the header

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do(self) -> None:
            with proxy.lock:
                proxy.asked[self.command] += 1
                fault = proxy.decide(self.command, self.path)
                if fault:
                    proxy.done[fault] += 1
            if self.headers.get("Expect", "").lower() == "100-continue" and fault is None:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if fault == "reset":
                self._break_off()
                return
            body = self._body()
            if fault == "slow-down":
                self._answer(503, [("Content-Type", "application/xml")], SLOW_DOWN)
                return
            status, headers, data = self._forward(body)
            if fault == "lost-answer":
                self._break_off()
            elif fault == "cut" and len(data) > 1:
                self._answer(status, headers, data, send=len(data) // 2)
            else:
                self._answer(status, headers, data)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do  # noqa: N815 (names of the base class)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                return b"".join(_chunks(self.rfile))
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            connection = http.client.HTTPConnection(target.hostname or "", target.port or 80, timeout=30)
            try:
                # The Host header stays the client's: it is part of what the client signed.
                passed = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
                connection.request(self.command, self.path, body=body or None, headers=passed)
                answer = connection.getresponse()
                hop = ("connection", "transfer-encoding")
                kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in hop]
                return answer.status, kept, answer.read()
            finally:
                connection.close()

        def _answer(
            self, status: int, headers: list[tuple[str, str]], data: bytes, *, send: int | None = None
        ) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() != "content-length" or self.command == "HEAD":
                    self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data if send is None else data[:send])
            if send is not None:
                self.wfile.flush()
                self._break_off()

        def _break_off(self) -> None:
            # Closing with data unread and no lingering sends a reset instead of an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            self.wfile = self.rfile = _Nowhere()  # type: ignore[assignment] # the base class flushes after us

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: clients that give up on an answer are what this is for."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _chunks(stream: BufferedIOBase) -> Iterator[bytes]:
    """Yield a chunked body as it was sent, sizes and all, up to its end."""
    while size_line := stream.readline():
        yield size_line
        size = int(size_line.split(b";")[0], 16)
        if size == 0:
            while (trailer := stream.readline()) not in (b"\r\n", b""):
                yield trailer
            yield b"\r\n"
            return
        yield stream.read(size + 2)


class _Nowhere:
    closed = True

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def write(self, data: bytes) -> int:
        """Forget `data`."""
        return len(data)
