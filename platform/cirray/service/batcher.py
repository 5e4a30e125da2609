"""Queries of different requests, composed together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class Batcher(Generic[A, B]):
    """Hands what comes in while it works to the next call, all together.

    Nothing waits for company: what comes in alone is worked on at once. So one caller loses no time, and with many
    of them batches become as large as the work is slow. Belongs to one event loop.

    Args:
        work: from several arguments to as many results, called in a thread; one call at a time.
        most: arguments of one call.
    """

    def __init__(self, work: Callable[[Sequence[A]], Sequence[B]], most: int = 16) -> None:
        self._work = work
        self._most = most
        self._waiting: list[tuple[A, asyncio.Future[B]]] = []
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, argument: A) -> B:
        """Return the result for one argument; what `work` raises for a batch is raised to whom it concerns."""
        future: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        self._waiting.append((argument, future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            # Whoever gave up has a cancelled future, and costs nothing more.
            batch = [(argument, future) for argument, future in batch if not future.done()]
            if batch:
                await self._compute(batch)

    async def _compute(self, batch: list[tuple[A, asyncio.Future[B]]]) -> None:
        try:
            results = await asyncio.to_thread(self._work, [argument for argument, _ in batch])
        except Exception as error:
            if len(batch) > 1:
                for each in batch:
                    await self._compute([each])
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
