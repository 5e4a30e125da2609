"""What benchmark jobs print: one table for people, and the same numbers as JSON for machines."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cirray.storage import library_versions


@dataclass(frozen=True)
class Measurement:
    """One number of a benchmark.

    Attributes:
        name: what was measured.
        value: in `unit`.
        unit: such as "s" or "images/s".
        goal: in words, such as "≤ 600"; empty where there is none.
        holds: whether the goal is met; None where there is none.
    """

    name: str
    value: float
    unit: str
    goal: str = ""
    holds: bool | None = None

    @classmethod
    def at_most(cls, name: str, value: float, unit: str, goal: float) -> Measurement:
        """Return a number that should be at most `goal`."""
        return cls(name, value, unit, f"≤ {goal:g}", value <= goal)

    @classmethod
    def at_least(cls, name: str, value: float, unit: str, goal: float) -> Measurement:
        """Return a number that should be at least `goal`."""
        return cls(name, value, unit, f"≥ {goal:g}", value >= goal)


def machine() -> dict[str, Any]:
    """Return what numbers of this machine should be read with: its cores, its load, and the versions of libraries."""
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": library_versions(),
    }


def show(title: str, measurements: Sequence[Measurement], json_path: str | None = None) -> None:
    """Print measurements as a table, and write them with what `machine` says to `json_path` where one is given."""
    table = Table(title=title)
    for column in ("measured", "value", "unit", "goal", "holds"):
        table.add_column(column, justify="right" if column == "value" else "left")
    for row in measurements:
        holds = "" if row.holds is None else "yes" if row.holds else "no"
        value = f"{row.value:.4g}" if row.value < 1000 else f"{row.value:,.0f}"
        table.add_row(row.name, value, row.unit, row.goal, holds)
    # A log is no terminal, and lines should not be broken in it.
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120)
    console.print(table)
    here = machine()
    console.print(f"{here['cores']} cores, {here['processor']}, load {here['load_1min']}, Python {here['python']}")
    if json_path:
        rows = [{**asdict(row), "machine": here} for row in measurements]
        Path(json_path).write_text(json.dumps(rows, indent=1) + "\n")


def _processor() -> str:
    """Return the model of the processor, or its architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
