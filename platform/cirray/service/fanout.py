"""Asking every shard at once, and making do with those that answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

_LOGGER = logging.getLogger(__name__)

Reason = Literal["timeout", "unavailable", "overloaded", "other-version", "error"]

S = TypeVar("S")
A = TypeVar("A")


class ShardFaultError(Exception):
    """A shard did not answer, for a reason that is known."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass(frozen=True)
class Answers(Generic[A]):
    """What came back from the shards.

    Attributes:
        by_shard: the answers, by the number of the shard.
        failures: why the others did not answer, by the number of the shard.
    """

    by_shard: Mapping[int, A]
    failures: Mapping[int, Reason]


async def ask_all(shards: Sequence[S], ask: Callable[[S], Awaitable[A]], timeout_s: float) -> Answers[A]:
    """Return what each of `shards` answers within `timeout_s` seconds; never raises for a shard's sake.

    Args:
        shards: number i is shard i.
        ask: asks one of them.
        timeout_s: for each of them, all at the same time.
    """
    outcomes = await asyncio.gather(*(_outcome(number, ask(shard), timeout_s) for number, shard in enumerate(shards)))
    answers: dict[int, A] = {}
    failures: dict[int, Reason] = {}
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, _Failed):
            failures[number] = outcome.reason
        else:
            answers[number] = outcome
    return Answers(answers, failures)


@dataclass(frozen=True)
class _Failed:
    reason: Reason


async def _outcome(number: int, answer: Awaitable[A], timeout_s: float) -> A | _Failed:
    try:
        return await asyncio.wait_for(answer, timeout_s)
    except TimeoutError:
        return _Failed("timeout")
    except ShardFaultError as fault:
        return _Failed(fault.reason)
    except Exception:
        _LOGGER.exception("Shard %d failed", number)
        return _Failed("error")
