"""All methods on one dataset, with one encoder and one budget: trained, evaluated, and put in a table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from cirray.bundles import Bundle
from cirray.cli.benchmark import Measurement
from cirray.cli.display import Display
from cirray.cli.operations import evaluate_model, open_dataset, open_model
from cirray.cli.training import train_model
from cirray.errors import CirrayError
from cirray.storage import Root

BASELINES = ("image-only", "text-only")
"""Methods that know only half of the query."""

MARGIN = 2.0
"""How many times the better baseline's first metric a method should reach that composes at all."""


@dataclass(frozen=True)
class Compared:
    """What one method came to.

    Attributes:
        method: its name among the recipes of the dataset.
        metrics: in percent, by name.
        composer_parameters: weights of the composer alone.
        parameters: weights of the whole model.
        epochs: that it was trained for.
        triplets_per_s: in the last epoch, over all workers together.
        failed: why there are no figures, or empty.
    """

    method: str
    metrics: dict[str, float]
    composer_parameters: int = 0
    parameters: int = 0
    epochs: int = 0
    triplets_per_s: float = 0.0
    failed: str = ""


def compare(
    root: Root,
    dataset: str,
    methods: Sequence[str],
    workers: int,
    assignments: Sequence[str],
    display: Display,
) -> list[Compared]:
    """Train and evaluate the methods one after another; what was done before is not done again.

    A method that fails is told in its row, and costs the others nothing.

    Raises:
        CirrayError: the dataset is not there.
    """
    open_dataset(root, dataset)
    rows = []
    for number, method in enumerate(methods, start=1):
        display.say(f"{method}: {number} of {len(methods)}")
        try:
            rows.append(_compared(root, dataset, method, workers, assignments, display))
        except Exception as error:  # whatever it is, hours of the others' training must not be lost with it
            reason = str(error) if isinstance(error, CirrayError) else f"{type(error).__name__}: {error}"
            display.say(f"{method}: {reason}")
            rows.append(Compared(method, {}, failed=reason.splitlines()[0]))
    return rows


def _compared(
    root: Root, dataset: str, method: str, workers: int, assignments: Sequence[str], display: Display
) -> Compared:
    trained = train_model(root, f"{dataset}/{method}", None, workers, False, assignments, display)
    record = evaluate_model(root, trained["model"], None, "test", None, display)
    model = Bundle.open(open_model(root, trained["model"])).model
    return Compared(
        method,
        metrics=dict(record.metrics),
        composer_parameters=sum(weight.numel() for weight in model.composer.parameters()),
        parameters=sum(weight.numel() for weight in model.parameters()),
        epochs=trained["epochs"],
        triplets_per_s=trained["triplets_per_s"],
    )


def measurements(rows: Sequence[Compared]) -> list[Measurement]:
    """Return the figures for programs, each method's first metric with its goal."""
    floor = max((_first(row) for row in rows if row.method in BASELINES and row.metrics), default=None)
    found: list[Measurement] = []
    for row in rows:
        for name, value in row.metrics.items():
            is_first = name == next(iter(row.metrics))
            if is_first and floor is not None and row.method not in BASELINES:
                found.append(Measurement.at_least(f"{row.method} {name}", value, "%", round(MARGIN * floor, 2)))
            else:
                found.append(Measurement(f"{row.method} {name}", value, "%"))
        if row.failed:
            found.append(Measurement(f"{row.method} failed", 1, "", "0", False, row.failed))
        found.append(Measurement(f"{row.method} composer parameters", row.composer_parameters, ""))
        found.append(Measurement(f"{row.method} triplets/s", row.triplets_per_s, "1/s"))
    return found


def _first(row: Compared) -> float:
    return next(iter(row.metrics.values()))


def show(dataset: str, rows: Sequence[Compared]) -> None:
    """Print the table."""
    names: list[str] = list(dict.fromkeys(name for row in rows for name in row.metrics if name != "mean"))
    table = Table(title=f"Methods on {dataset}")
    for column in ("method", *names, "composer", "model", "epochs", "triplets/s"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for row in rows:
        figures: list[Any] = [f"{row.metrics[name]:.2f}" if name in row.metrics else "–" for name in names]
        sizes = [f"{count / 1e3:,.0f} k" for count in (row.composer_parameters, row.parameters)]
        table.add_row(row.method, *figures, *sizes, str(row.epochs), f"{row.triplets_per_s:,.0f}")
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 130).print(table)
    for row in rows:
        if row.failed:
            print(f"{row.method}: {row.failed}")
