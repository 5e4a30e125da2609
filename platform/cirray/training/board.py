"""A board on which workers write how far they are and what befell them, and from which the driver reads it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cirray.training.progress import EpochReport

History = tuple[EpochReport, ...]


@dataclass(frozen=True)
class Heartbeat:
    """How far training is: `step` of `steps`, the latest loss, and the process id of the first of `workers`."""

    step: int
    steps: int
    loss: float
    pid: int
    workers: int = 1


class _Board:
    """The actor that holds the latest heartbeat, what the epochs came to, and all that was said."""

    def __init__(self) -> None:
        self.heartbeat: Heartbeat | None = None
        self.history: History = ()
        self.said: list[str] = []

    def write(self, heartbeat: Heartbeat) -> None:
        self.heartbeat = heartbeat

    def record(self, history: History) -> None:
        self.history = history

    def say(self, text: str) -> None:
        self.said.append(text)

    def read(self, heard: int) -> tuple[Heartbeat | None, History, list[str]]:
        return self.heartbeat, self.history, self.said[heard:]


class Writer:
    """The worker's end: writes at most once in `every_s` seconds, and never waits."""

    def __init__(self, board: Any, workers: int, every_s: float = 0.5) -> None:
        self._board = board
        self._workers = workers
        self._every_s = every_s
        self._next = 0.0

    def __call__(self, step: int, steps: int, loss: float) -> None:
        """Write a heartbeat, if it is time or the last step."""
        now = time.monotonic()
        if now >= self._next or step == steps:
            self._next = now + self._every_s
            self._board.write.remote(Heartbeat(step, steps, loss, os.getpid(), self._workers))


@dataclass(frozen=True)
class Recorder:
    """Tells the driver what the epochs came to, and never waits."""

    board: Any

    def __call__(self, history: History) -> None:
        """Tell the reports of all epochs so far."""
        self.board.record.remote(history)


@dataclass(frozen=True)
class Teller:
    """Says things to the driver, from any process of the run, and never waits."""

    board: Any

    def __call__(self, text: str) -> None:
        """Say one line."""
        self.board.say.remote(text)


@contextmanager
def watched(
    on_heartbeat: Callable[[Heartbeat], None],
    on_history: Callable[[History], None],
    on_said: Callable[[str], None],
    every_s: float = 0.5,
) -> Iterator[Any]:
    """Yield the handle of a new board, for `Writer`, `Recorder` and `Teller`, while it is read.

    Args:
        on_heartbeat: hears each new heartbeat.
        on_history: hears the reports of all epochs whenever there are new ones.
        on_said: hears each line that was said.
        every_s: seconds between two readings.
    """
    # On the driver's own node, since any other may go away while the run goes on. No CPU of its own: on a small
    # cluster the workers may hold all that Ray Data leaves.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    board: Any = ray.remote(num_cpus=0)(_Board).options(scheduling_strategy=here).remote()
    over = threading.Event()
    seen: Heartbeat | None = None
    known: History = ()
    heard = 0

    def read() -> None:
        nonlocal seen, known, heard
        try:
            heartbeat, history, said = ray.get(board.read.remote(heard))
        except RayError:
            return  # the cluster is going down, which whoever waits for the run is told
        heard += len(said)
        for text in said:
            on_said(text)
        if history != known:
            known = history
            on_history(history)
        if heartbeat is not None and heartbeat != seen:
            seen = heartbeat
            on_heartbeat(heartbeat)

    def watch() -> None:
        while not over.wait(every_s):
            read()

    watcher = threading.Thread(target=watch, name="training-board", daemon=True)
    watcher.start()
    try:
        yield board
    finally:
        over.set()
        watcher.join()
        read()
        ray.kill(board)
