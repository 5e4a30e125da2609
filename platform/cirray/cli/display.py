"""Progress for people: bars on a terminal, lines in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LOG_EVERY_S = 10.0
"""Seconds between the lines that a step leaves in a log."""


@dataclass
class Step:
    """One long piece of work, while it goes on and after.

    Attributes:
        name: what is being done.
        seconds: that it took, once it is over.
    """

    name: str
    console: Console
    bars: Progress | None
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)
    _next_line: float = 0.0

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show that `done` of `total` is behind us, and a short note."""
        if self.bars is not None:
            self.bars.update(self.bars.task_ids[0], completed=done, total=total, note=note)
            return
        now = time.monotonic()
        if now >= self._next_line or done == total:
            self._next_line = now + LOG_EVERY_S
            line = f"  {self.name}: {done} of {total} {note}".rstrip()
            self.console.print(line, highlight=False, markup=False)


@dataclass(frozen=True)
class Display:
    """Where a verb shows what it does; bars need a terminal, everything else gets lines."""

    console: Console

    @classmethod
    def stderr(cls) -> Display:
        """Return a display that leaves standard output to results."""
        return cls(Console(stderr=True))

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Show the work in the block as one step; call what is yielded with (done, total, note)."""
        if self.console.is_terminal:
            with self._bars() as bars:
                bars.add_task(name, total=None, note="")
                step = Step(name, self.console, bars)
                yield step
        else:
            self.console.print(f"{name} …", highlight=False, markup=False)
            step = Step(name, self.console, None)
            yield step
        step.seconds = time.monotonic() - step.started
        self.console.print(f"[green]✓[/] {escape(name)} ({step.seconds:.1f} s)", highlight=False)

    def say(self, text: str) -> None:
        """Show one line."""
        self.console.print(f"  {text}", highlight=False, markup=False)

    def _bars(self) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self.console,
            transient=True,
        )
