"""Free ports for local services."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

from infra.local.processes import LocalServiceError

# Above what Ray hands to its workers (10002 to 19999) and below what Linux hands to outgoing connections (32768 and
# up), so that hardly anybody takes a port between its being found free here and its being used.
_LOWEST, _HIGHEST = 20_000, 32_000


def free_ports(count: int) -> list[int]:
    """Return `count` different ports on which nobody listens at any address, all in 20000 to 32000.

    Raises:
        LocalServiceError: there are not that many.
    """
    found: list[int] = []
    for port in _candidates():
        if len(found) == count:
            return found
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        found.append(port)
    raise LocalServiceError(f"Fewer than {count} free ports between {_LOWEST} and {_HIGHEST}.")


def _candidates() -> Iterator[int]:
    # From a random place on, so that two services started at the same moment look at different ports.
    size = _HIGHEST - _LOWEST
    first = random.SystemRandom().randrange(size)
    return (_LOWEST + (first + step) % size for step in range(size))
