"""How a worker that decodes picture after picture asks the system for memory."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

KEPT_BYTES = 64 << 20
"""Freed memory that a process keeps for what comes next, rather than give it back."""

LARGE_BYTES = 32 << 20
"""From this size on, each block is the system's own, and goes back at once; the most that glibc allows."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


@cache
def keep_freed_memory() -> bool:
    """Have this process use freed memory again, and return whether its C library was told so.

    By itself glibc keeps up to twice the largest block that was freed, and a picture with its pixels as bytes is
    more. All of it then goes back to the system after each picture, and comes again page by page, each cleared: of a
    picture of 500 × 375 that took as long as decoding it. Other C libraries are left as they are.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES) and mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES))
