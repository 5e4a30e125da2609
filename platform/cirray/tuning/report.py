"""The page of a sweep, and its results for programs, beside its ledger."""

from __future__ import annotations

import json
from typing import Any

from cirray.pages import render
from cirray.tuning.plots import BAR, parallel, short
from cirray.tuning.results import best_of, commands_for, importances, rows_of, summary_of
from cirray.tuning.sweep import Sweep

REPORT_FILE, SUMMARY_FILE = "report.html", "summary.json"


def write_report(sweep: Sweep) -> dict[str, Any]:
    """Write `report.html` and `summary.json` into the sweep's folder, and return the summary.

    Raises:
        StorageError: they cannot be written.
    """
    summary = summary_of(sweep)
    (sweep.ledger.place / REPORT_FILE).write(page(sweep).encode())
    (sweep.ledger.place / SUMMARY_FILE).write(json.dumps(summary, indent=1).encode())
    return summary


def page(sweep: Sweep) -> str:
    """Return the page: one HTML file that needs nothing from outside."""
    rows, best = rows_of(sweep), best_of(sweep)
    return render(
        "report.html",
        "cirray.tuning",
        sweep=sweep,
        rows=rows,
        best=best,
        commands=commands_for(best, sweep) if best else [],
        plot=parallel(sweep, rows),
        importances=importances(sweep),
        bar=BAR,
        short=short,
    )
