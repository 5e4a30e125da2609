"""An iterator that works ahead of who takes from it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _Failure:
    error: BaseException


class _End:
    pass


def ahead(items: Iterator[T], depth: int = 2) -> Generator[T, None, None]:
    """Yield `items` in order, up to `depth` of them made in a thread before they are asked for.

    What `items` raises comes out where the item was due. Closing this ends the thread, which closes `items`.
    """
    waiting: queue.Queue[T | _Failure | _End] = queue.Queue(depth)
    over = threading.Event()
    thread = threading.Thread(target=_produce, args=(items, waiting, over), name="batches-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        over.set()
        while thread.is_alive():
            # The thread may be at the full queue; room lets it see that it is over.
            _empty(waiting)
            thread.join(0.01)


def _empty(waiting: queue.Queue[T | _Failure | _End]) -> None:
    with suppress(queue.Empty):
        while True:
            waiting.get_nowait()


def _produce(items: Iterator[T], waiting: queue.Queue[T | _Failure | _End], over: threading.Event) -> None:
    try:
        for item in items:
            waiting.put(item)
            if over.is_set():
                break
        waiting.put(_End())
    except BaseException as error:  # whatever it is, it belongs to who takes the items
        waiting.put(_Failure(error))
    finally:
        if isinstance(items, Generator):
            items.close()
