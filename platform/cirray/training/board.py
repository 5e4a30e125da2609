"""A board on which the first worker writes how far it is, and from which the driver reads it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray


@dataclass(frozen=True)
class Heartbeat:
    """How far training is: `step` of `steps`, the latest loss, and the process id of the first worker."""

    step: int
    steps: int
    loss: float
    pid: int


class _Board:
    """The actor that holds the latest heartbeat."""

    def __init__(self) -> None:
        self.heartbeat: Heartbeat | None = None

    def write(self, heartbeat: Heartbeat) -> None:
        self.heartbeat = heartbeat

    def read(self) -> Heartbeat | None:
        return self.heartbeat


class Writer:
    """The worker's end: writes at most once in `every_s` seconds, and never waits."""

    def __init__(self, board: Any, every_s: float = 0.5) -> None:
        self._board = board
        self._every_s = every_s
        self._next = 0.0

    def __call__(self, step: int, steps: int, loss: float) -> None:
        """Write a heartbeat, if it is time or the last step."""
        now = time.monotonic()
        if now >= self._next or step == steps:
            self._next = now + self._every_s
            self._board.write.remote(Heartbeat(step, steps, loss, os.getpid()))


@contextmanager
def watched(on_heartbeat: Callable[[Heartbeat], None], every_s: float = 0.5) -> Iterator[Any]:
    """Yield the handle of a new board, for `Writer`; while in the block `on_heartbeat` hears each new heartbeat."""
    # No CPU of its own: on a small cluster the workers may hold all that Ray Data leaves.
    board: Any = ray.remote(num_cpus=0)(_Board).remote()
    over = threading.Event()

    def watch() -> None:
        seen: Heartbeat | None = None
        while not over.wait(every_s):
            heartbeat = ray.get(board.read.remote())
            if heartbeat is not None and heartbeat != seen:
                seen = heartbeat
                on_heartbeat(heartbeat)

    watcher = threading.Thread(target=watch, name="training-board", daemon=True)
    watcher.start()
    try:
        yield board
    finally:
        over.set()
        watcher.join()
        ray.kill(board)
