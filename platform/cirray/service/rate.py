"""How much one caller may ask for in a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MAX_CALLERS = 10_000
"""Callers that are remembered. Those not heard of for longest are forgotten first: their buckets are full again."""


@dataclass
class _Bucket:
    tokens: float
    at: float


class RateLimit:
    """A token bucket for each caller.

    Args:
        per_second: tokens that come back to each bucket in a second; None for no limit.
        burst: tokens in a full bucket.
        clock: seconds, as `time.monotonic`.
    """

    def __init__(self, per_second: float | None, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second = per_second
        self.burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def charge(self, caller: str, cost: float = 1.0) -> float:
        """Take `cost` tokens from the caller's bucket, and return 0; or, where it has too few, seconds until it has.

        What costs more than a full bucket is taken from a full one, which then is in debt.
        """
        if self.per_second is None:
            return 0.0
        now = self._clock()
        bucket = self._buckets.setdefault(caller, _Bucket(self.burst, now))
        self._buckets.move_to_end(caller)
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self.burst, bucket.tokens + (now - bucket.at) * self.per_second)
        bucket.at = now
        missing = min(cost, self.burst) - bucket.tokens
        if missing > 0:
            return missing / self.per_second
        bucket.tokens -= cost
        return 0.0
