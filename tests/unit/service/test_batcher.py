"""What comes in while a batch is worked on makes up the next one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from cirray.service.batcher import Batcher


def test_what_comes_alone_goes_at_once_and_what_waits_goes_together() -> None:
    go, batches = threading.Event(), []

    def work(numbers: Sequence[int]) -> list[int]:
        batches.append(list(numbers))
        assert go.wait(10)
        return [10 * number for number in numbers]

    async def run() -> list[int]:
        batcher = Batcher(work, most=3)
        tasks = [asyncio.create_task(batcher(0))]
        while not batches:
            await asyncio.sleep(0)
        tasks += [asyncio.create_task(batcher(number)) for number in range(1, 6)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        go.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(done.pop(2), asyncio.CancelledError)
        return [number for number in done if isinstance(number, int)]

    assert asyncio.run(run()) == [0, 10, 30, 40, 50]
    assert batches == [[0], [1, 3], [4, 5]]


def test_an_error_is_told_to_whom_it_concerns_only() -> None:
    def work(numbers: Sequence[int]) -> list[int]:
        if 2 in numbers:
            raise ValueError("two")
        return list(numbers)

    async def run() -> list[int | BaseException]:
        batcher = Batcher(work)
        return await asyncio.gather(*(batcher(number) for number in (1, 2, 3)), return_exceptions=True)

    first, second, third = asyncio.run(run())
    assert (first, third) == (1, 3)
    with pytest.raises(ValueError, match="two"):
        raise second if isinstance(second, BaseException) else AssertionError
