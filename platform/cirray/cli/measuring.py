"""The verbs that measure: `evaluate`, `compare` and `submit`."""

from __future__ import annotations

from typing import Annotated

import typer

from cirray.cli.options import DatasetOption, JsonOption, ModelOption, RootOption, SplitOption
from cirray.cli.verb import open_display, open_root, show

_FOR_PROGRAMS = ("rules", "versions", "outcomes")
"""Parts of a record that say nothing to people."""


def evaluate(
    model: Annotated[
        list[str], typer.Option("--model", help="NAME or NAME@VERSION; several are seeds of one recipe.")
    ],
    root: RootOption,
    dataset: DatasetOption = None,
    split: SplitOption = "test",
    protocol: Annotated[
        str | None, typer.Option(help="How queries are put and what counts as found; by default the dataset's own.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a model's recall on a split, under a named protocol; of several models, the spread over their seeds."""
    from cirray.cli.evaluating import evaluate_models, show_spread

    result = evaluate_models(open_root(root), model, dataset, split, protocol, open_display())
    if len(model) > 1 and not as_json:
        show_spread(result)
    else:
        show({key: value for key, value in result.items() if as_json or key not in _FOR_PROGRAMS}, as_json)


def compare(
    first: Annotated[str, typer.Argument(metavar="FIRST", help="A model: NAME or NAME@VERSION.")],
    second: Annotated[str, typer.Argument(metavar="SECOND", help="The model that is measured against it.")],
    root: RootOption,
    dataset: DatasetOption = None,
    split: SplitOption = "test",
    protocol: Annotated[str | None, typer.Option(help="Of both evaluations; by default the dataset's own.")] = None,
    out: Annotated[str, typer.Option(help="Where the page of changed queries goes.")] = "comparison.html",
    as_json: JsonOption = False,
) -> None:
    """Compare two models on the same queries: differences with intervals and tests, and a page of what changed."""
    from cirray.cli.evaluating import compare_models, show_comparison

    result = compare_models(open_root(root), (first, second), dataset, split, protocol, out, open_display())
    if as_json:
        show(result, as_json)
    else:
        show_comparison(result)


def submit(
    model: ModelOption,
    root: RootOption,
    out: Annotated[str, typer.Option(help="Folder or s3:// prefix of the files.")],
    dataset: DatasetOption = None,
    protocol: Annotated[str | None, typer.Option(help="How queries are put; by default the dataset's own.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model's rankings of a hidden test split (CIRR's test1, FashionIQ's test) as its server takes them."""
    from cirray.cli.submission import write_submission

    show(write_submission(open_root(root), model, dataset, protocol, out, open_display()), as_json)
