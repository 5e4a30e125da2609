"""Checkpoints written behind the back of training."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from cirray.errors import StorageError
from cirray.training.checkpoint import Snapshot
from cirray.training.checkpoints import Say


class Saver:
    """Writes snapshots in a thread, one at a time: training waits only where the one before is not written yet.

    A checkpoint that could not be written to the root is told, and training goes on: the next one may find the store
    back. The last one, on leaving the `with` block, must succeed.
    """

    def __init__(self, save: Callable[[Snapshot], None], say: Say) -> None:
        """Take what writes one snapshot, and what hears of one that could not be written."""
        self._save = save
        self._say = say
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def __enter__(self) -> Saver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What training raised comes out; what it had handed over is written all the same.
        self._pool.shutdown(wait=True)
        if error is None and self._writing is not None:
            self._writing.result()

    def __call__(self, take: Callable[[], Snapshot]) -> None:
        """Take a snapshot and begin to write it.

        Raises:
            CirrayError: the one before could not be written, for another reason than the store.
        """
        if self._writing is not None:
            try:
                self._writing.result()
            except StorageError as error:
                self._say(f"a checkpoint was not written, training goes on without it: {error}")
        # Taken now and not before: there is never more than one in memory.
        snapshot = take()
        self._writing = self._pool.submit(self._save, snapshot)
