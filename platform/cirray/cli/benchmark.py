"""What all benchmark jobs print: a table for people, and a list of measurements with the machine for programs."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cirray.cluster import usable_cores
from cirray.storage import library_versions


@dataclass(frozen=True)
class Measurement:
    """One number of a benchmark.

    Attributes:
        name: what was measured.
        value: of it, in `unit`.
        unit: such as "s", "images/s" or "ratio".
        goal: in words, such as "≤ 600"; empty where there is none.
        holds: whether the goal is met; None where there is none, or where this measurement cannot tell.
        note: how to read it.
    """

    name: str
    value: float
    unit: str
    goal: str = ""
    holds: bool | None = None
    note: str = ""

    @classmethod
    def at_most(cls, name: str, value: float, unit: str, goal: float, *, judged: bool = True) -> Measurement:
        """Return a number that should be at most `goal`; where it is not `judged`, it cannot tell."""
        return cls(name, value, unit, f"≤ {goal:g}", value <= goal if judged else None)

    @classmethod
    def at_least(cls, name: str, value: float, unit: str, goal: float, *, judged: bool = True) -> Measurement:
        """Return a number that should be at least `goal`; where it is not `judged`, it cannot tell."""
        return cls(name, value, unit, f"≥ {goal:g}", value >= goal if judged else None)


@dataclass
class Results:
    """The measurements of one benchmark, with how they were made.

    Attributes:
        benchmark: its name.
        settings: that it ran with.
        measurements: in their order.
    """

    benchmark: str
    settings: dict[str, Any] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)

    def add(self, *measurements: Measurement) -> None:
        """Append measurements."""
        self.measurements.extend(measurements)

    @property
    def missed(self) -> bool:
        """Whether a goal is not met."""
        return any(each.holds is False for each in self.measurements)

    def report(self, json_path: Path | None = None) -> None:
        """Print a table and the machine, and write the JSON to `json_path` where one is given."""
        here = machine()
        # A log is no terminal, and lines should not be broken in it.
        console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120)
        console.print(self._table())
        console.print("{cores} cores, {processor}, load {load_1min}, Python {python}".format(**here))
        if json_path is not None:
            self.write(json_path)

    def write(self, json_path: Path) -> None:
        """Write the measurements for programs, each with how and where it was made."""
        origin = {
            "benchmark": self.benchmark,
            "settings": self.settings,
            "machine": machine(),
            "versions": library_versions(),
            "date": datetime.now(UTC).date().isoformat(),
        }
        rows = [{**asdict(each), **origin} for each in self.measurements]
        json_path.write_text(json.dumps(rows, indent=1) + "\n")

    def _table(self) -> Table:
        table = Table(title=self.benchmark)
        for column in ("measured", "value", "unit", "goal", "holds", "note"):
            table.add_column(column, justify="right" if column == "value" else "left")
        for row in self.measurements:
            value = f"{row.value:.4g}" if row.value < 1000 else f"{row.value:,.0f}"
            holds = {None: "not judged" if row.goal else "", True: "yes", False: "no"}[row.holds]
            table.add_row(row.name, value, row.unit, row.goal, holds, row.note)
        return table


def machine() -> dict[str, Any]:
    """Return what numbers of this machine should be read with: its cores, its memory, and its load."""
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Return the model of the processor, or its architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
