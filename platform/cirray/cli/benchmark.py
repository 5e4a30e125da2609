"""What all benchmark jobs print: a table for people, and a list of measurements with the machine for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cirray.storage import library_versions


@dataclass(frozen=True)
class Measurement:
    """One measured number.

    Attributes:
        name: what was measured.
        value: of it, in `unit`.
        unit: "img/s", "s", "MiB", or "ratio".
        goal: least or largest value that is good enough; None where there is none.
        at_most: whether the goal is the largest value, rather than the least.
        note: how to read it.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_most: bool = False
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    def as_json(self) -> dict[str, Any]:
        """Return the measurement as plain values."""
        values = {"name": self.name, "value": self.value, "unit": self.unit, "goal": self.goal, "holds": self.holds}
        return {**values, "note": self.note} if self.note else values


@dataclass
class Results:
    """The measurements of one benchmark, with how they were made.

    Attributes:
        benchmark: its name.
        settings: that it ran with.
        measurements: in their order.
    """

    benchmark: str
    settings: dict[str, Any]
    measurements: list[Measurement] = field(default_factory=list)

    def add(self, *measurements: Measurement) -> None:
        """Append measurements."""
        self.measurements.extend(measurements)

    def table(self) -> Table:
        """Return the measurements as a table for people."""
        table = Table("what", "value", "unit", "goal", "holds", "note", title=self.benchmark)
        for each in self.measurements:
            goal = "" if each.goal is None else f"{'≤' if each.at_most else '≥'} {each.goal:g}"
            holds = {None: "", True: "yes", False: "no"}[each.holds]
            table.add_row(each.name, f"{each.value:,.3g}", each.unit, goal, holds, each.note)
        return table

    def report(self, path: Path | None, console: Console | None = None) -> None:
        """Print the table, and write the JSON to `path` where one is given."""
        (console or Console()).print(self.table())
        if path is not None:
            path.write_text(
                json.dumps([{**each.as_json(), **self._origin()} for each in self.measurements], indent=1)
            )

    def _origin(self) -> dict[str, Any]:
        return {
            "benchmark": self.benchmark,
            "settings": self.settings,
            "machine": machine(),
            "versions": {"python": platform.python_version(), **library_versions()},
            "date": datetime.now(UTC).date().isoformat(),
        }


def machine() -> dict[str, Any]:
    """Return what this machine is."""
    return {
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": _processor(),
        "system": platform.system(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Have environment variables in the block, and what they were before after it."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def median(values: Sequence[float]) -> float:
    """Return the median of at least one value."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
