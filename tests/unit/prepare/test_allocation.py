from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")

MEASURE = """
import resource, sys
import numpy as np
from cirray.prepare.allocation import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()

def use():
    # As a picture with its pixels as bytes: more than glibc keeps of itself.
    blocks = [bytearray(1 << 20) for _ in range(6)]
    for block in blocks:
        np.frombuffer(block, np.uint8)[::4096] = 1

for _ in range(3):
    use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    use()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 20)
"""


def faults(how: str) -> int:
    return int(
        subprocess.run([sys.executable, "-c", MEASURE, how], capture_output=True, text=True, check=True).stdout
    )


@pytest.mark.skipif(not GLIBC, reason="only glibc gives memory back like this")
def test_memory_that_is_used_again_and_again_is_not_asked_for_again() -> None:
    assert faults("leave") > 500
    assert faults("keep") < 50
