"""Peak memory of this process and all that it started."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType

EVERY_S = 0.2


class PeakMemory:
    """In its block, watches the memory of this process and its descendants; pages that they share count once.

    Linux only: it reads what the kernel says of each process. Files that are mapped into memory, such as Ray's
    object store, count as far as they are in use.

    Attributes:
        peak_mib: the most that all of them took together.
    """

    def __init__(self) -> None:
        self.peak_mib = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        # One look more once the block has ended: looking at many processes may take longer than the block.
        last = False
        while not last:
            last = self._over.wait(EVERY_S)
            self.peak_mib = max(self.peak_mib, sum(map(_proportional_kib, family(os.getpid()))) / 1024)


def family(pid: int) -> set[int]:
    """Return a process and all its descendants."""
    parents = {int(path.name): _parent(path) for path in Path("/proc").iterdir() if path.name.isdecimal()}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _parent(process: Path) -> int:
    try:
        # After the name, which may hold anything, in brackets: the state, then the parent.
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):  # it has ended
        return 0


def _proportional_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
