"""Waiting for the disk beside other work."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from cirray.storage.location import Location

SYNC_THREADS = 8
"""Files that are waited for at once: together they take a disk hardly longer than one."""


class Syncing:
    """Files that were written with `durable=False`, synced by threads; after the block all of them are.

    A file may have been written by another process: on one machine that is the same to the disk, and over a network
    whoever closes a file has waited for its server.

    Raises:
        StorageError: at the end of the block, if a file is gone or cannot be synced.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(SYNC_THREADS)
        self._begun: list[Future[None]] = []

    def add(self, place: Location) -> None:
        """Begin to sync a file."""
        self._begun.append(self._pool.submit(place.sync))

    def __enter__(self) -> Syncing:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for future in self._begun:
                future.result()
