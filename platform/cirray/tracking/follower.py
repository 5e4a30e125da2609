"""A listener that nobody waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Follower(Generic[T]):
    """Hands the newest of what it is given to a listener, in a thread of its own.

    What is overtaken before the listener is ready is left out. What the listener raises is told once; it is asked
    again with what comes next.

    Args:
        name: of the listener, for messages.
        listen: takes what is handed over; may take its time.
        say: told when the listener fails.
    """

    def __init__(self, name: str, listen: Callable[[T], None], say: Callable[[str], None]) -> None:
        self._name, self._listen, self._say = name, listen, say
        self._changed = threading.Condition()
        self._next: list[T] = []
        self._over = False
        self._failed = False
        # A daemon: a server that never answers must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=f"following-{name}", daemon=True)
        self._thread.start()

    def __call__(self, value: T) -> None:
        """Hand over `value` as soon as the listener is ready, without waiting for that."""
        with self._changed:
            self._next = [value]
            self._changed.notify()

    def close(self, patience_s: float) -> None:
        """Wait until the last value was taken, but no longer than so many seconds."""
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join(patience_s)
        if self._thread.is_alive():
            self._say(f"{self._name} has not answered for {patience_s:g} s and is left behind")

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._next) or self._over)
                if not self._next:
                    return
                value = self._next.pop()
            try:
                self._listen(value)
            except Exception as error:  # whatever it is, training goes on
                self._tell(error)

    def _tell(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            reason = str(error).strip().splitlines()
            self._say(f"{self._name} failed, training goes on: {reason[0] if reason else type(error).__name__}")
