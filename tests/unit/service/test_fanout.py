"""All shards are asked at once, and none can hold up or break the others."""

from __future__ import annotations

import asyncio

from cirray.service.fanout import Answers, ShardFaultError, ask_all


def test_shards_are_asked_at_the_same_time() -> None:
    async def run() -> Answers[int]:
        barrier = asyncio.Barrier(3)

        async def ask(shard: int) -> int:
            await barrier.wait()  # passes only when all three are here
            return shard * 10

        return await ask_all([1, 2, 3], ask, timeout_s=5.0)

    assert asyncio.run(run()) == Answers({0: 10, 1: 20, 2: 30}, {})


def test_failures_are_told_apart_and_cost_nobody_else_an_answer() -> None:
    async def ask(shard: str) -> str:
        if shard == "hangs":
            await asyncio.Event().wait()
        if shard == "refuses":
            raise ShardFaultError("overloaded")
        if shard == "breaks":
            raise ValueError("unforeseen")
        return shard

    answers = asyncio.run(ask_all(["hangs", "fine", "refuses", "breaks"], ask, timeout_s=0.05))
    assert answers == Answers({1: "fine"}, {0: "timeout", 2: "overloaded", 3: "error"})


def test_a_shard_that_is_too_late_is_cancelled() -> None:
    cancelled = []

    async def ask(shard: int) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(shard)
            raise

    asyncio.run(ask_all([0, 1], ask, timeout_s=0.01))
    assert cancelled == [0, 1]


def test_a_time_that_is_over_is_a_timeout_not_an_error() -> None:
    async def ask(shard: int) -> int:
        await asyncio.sleep(0)
        return shard

    assert asyncio.run(ask_all([0], ask, timeout_s=-1.0)).failures == {0: "timeout"}
