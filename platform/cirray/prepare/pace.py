"""How far a preparation is, and how fast."""

from __future__ import annotations

import time
from typing import Protocol


class Progress(Protocol):
    """Called as work goes on with items done, items in all, and a short note for people."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Take note."""


class Pace:
    """Counts the items that are done, and tells a `Progress`.

    Attributes:
        pictures_read: from the source, so far.
        pictures_decoded: so far; those that an earlier version has of the same bytes need not be.
        parts_made: so far, from pictures and not from an earlier version.
    """

    def __init__(self, progress: Progress) -> None:
        self.pictures_read = 0
        self.pictures_decoded = 0
        self.parts_made = 0
        self._progress = progress
        self._total = 0
        self._before = 0
        self._started = time.monotonic()

    def begin(self, items: int, to_make: int) -> None:
        """Say how many items there are, and of how many the pictures must be read."""
        self._total, self._before = items, items - to_make
        self._started = time.monotonic()
        note = f"{self._before:,} unchanged" if self._before else ""
        self._progress(self._before, items, note)

    def finished(self, items: int) -> None:
        """Say that a part with so many items was made."""
        self.pictures_read += items
        self.parts_made += 1
        done = min(self._before + self.pictures_read, self._total)
        self._progress(done, self._total, f"{self.pictures_per_s:.0f} pictures/s")

    @property
    def pictures_per_s(self) -> float:
        """Pictures read in a second, since the first could be."""
        return self.pictures_read / max(time.monotonic() - self._started, 1e-9)
