"""`cirray tune`: from what was asked for to a sweep, and its results as a table."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cirray.cli.display import Display
from cirray.cli.operations import open_dataset
from cirray.config import from_mapping, override
from cirray.recipes import RunConfig, recipes
from cirray.storage import Root
from cirray.training.held_out import HELD_OUT
from cirray.tuning import space_of
from cirray.tuning.plan import SweepConfig, validated
from cirray.tuning.report import write_report
from cirray.tuning.sweep import run_sweep

SHOWN = 20
"""Trials in the table for people; the page and `--json` have them all."""


@dataclass(frozen=True)
class Request:
    """What a person or a job asks for.

    Attributes:
        recipe: whose settings are searched.
        dataset: "name" or "name@version"; None for the recipe's.
        epochs: of a trial; None for the recipe's.
        space: file of dials; None for the composer's space.
        validation: split to measure on; None for the usual one.
        protocol: name; None for the dataset's.
        assignments: of settings of the recipe, "key=value".
        settings: of the sweep.
    """

    recipe: str
    dataset: str | None = None
    epochs: int | None = None
    space: str | None = None
    validation: str | None = None
    protocol: str | None = None
    assignments: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


def tune_recipe(root: Root, request: Request, display: Display) -> dict[str, Any]:
    """Search a recipe's space, write the page, and return the summary.

    Raises:
        ConfigError: what is asked for does not fit the recipe, the dataset or the cluster.
        CirrayError: whatever else keeps the sweep from being run.
    """
    epochs = () if request.epochs is None else (f"training.epochs={request.epochs}",)
    config = override(recipes[request.recipe](), (*request.assignments, *epochs))
    data = open_dataset(root, request.dataset or config.dataset)
    settings = from_mapping(SweepConfig, request.settings)
    config = validated(config, data, settings, request.validation, request.protocol)
    space = space_of(config, request.space)
    _say_what_is_measured(config, display)
    with display.step(f"tune {config.name}") as step:
        sweep = run_sweep(root, config, data, space, settings, step, display.say)
        return write_report(sweep)


def show_sweep(summary: dict[str, Any], as_json: bool) -> None:
    """Print the results of a sweep."""
    if as_json:
        print(json.dumps(summary, indent=1))
        return
    metric, cost, dials = summary["metric"], summary["cost"], list(summary["dials"])
    table = Table(title=f"{summary['recipe']}: {metric} on {summary['validation']}")
    short = [".".join(name.split(".")[-2:]) for name in dials]
    for column in ("trial", "ended", metric, *([cost] if cost else []), "epochs", *short):
        table.add_column(escape(column), justify="left" if column == "ended" else "right")
    for row in summary["trials"][:SHOWN]:
        figures = [row["score"], *([row["cost"]] if cost else [])]
        table.add_row(
            f"{row['number']}{' (recipe)' if row['defaults'] else ''}",
            row["ended"],
            *("–" if each is None else f"{each:.5g}" for each in figures),
            str(row["epochs"]),
            *(str(row["values"][name]) for name in dials),
        )
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160).print(table)
    if len(summary["trials"]) > SHOWN:
        print(f"… and {len(summary['trials']) - SHOWN} more")
    print(f"report: {summary['report']}")
    if summary["best"]:
        print(f"best: trial {summary['best']['number']}, {summary['best']['model']}")
        print("\n".join(summary["best"]["commands"]))


def _say_what_is_measured(config: RunConfig, display: Display) -> None:
    validation = config.training.validation
    if validation is not None and validation.split != HELD_OUT:
        display.say(f"measured on split {validation.split!r}")
    elif config.hold_out is not None:
        share = f"{100 * config.hold_out.share:g} %"
        display.say(f"measured on {share} of the references of split {config.split!r}, held out of training")
