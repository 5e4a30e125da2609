"""The verbs that find weights: `train`, and `tune`, which searches the settings to train with."""

from __future__ import annotations

from typing import Annotated

import typer

from cirray.cli.options import DatasetOption, JsonOption, RootOption, SetOption
from cirray.cli.verb import open_display, open_root, show


def train(
    recipe: Annotated[str, typer.Option(help="Which run, e.g. css-2d/tirg-last-conv.")],
    root: RootOption,
    dataset: DatasetOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Training processes.")] = 1,
    min_workers: Annotated[
        int | None, typer.Option(min=1, help="Go on with as few as these where nodes go away; by default all.")
    ] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="One GPU for each worker.")] = False,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a recipe's model, or go on where an interrupted run of the same settings stopped."""
    from cirray.cli.training import train_model

    result = train_model(
        open_root(root), recipe, dataset, workers, gpu, assignments or (), open_display(), min_workers
    )
    show({key: value for key, value in result.items() if as_json or key != "history"}, as_json)


def tune(
    recipe: Annotated[str, typer.Argument(help="Whose settings are searched, e.g. css-2d/tirg-last-conv.")],
    root: RootOption,
    dataset: DatasetOption = None,
    trials: Annotated[int, typer.Option(min=1, help="In all; more than before goes on with the same sweep.")] = 16,
    workers: Annotated[int, typer.Option("--workers-per-trial", min=1, help="Training processes of each.")] = 1,
    gpu: Annotated[bool, typer.Option("--gpu", help="One GPU for each worker.")] = False,
    concurrent: Annotated[
        int | None, typer.Option(min=1, help="Trials at a time; by default as many as there is room for.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of a trial; by default the recipe's.")] = None,
    metric: Annotated[str, typer.Option(help="That is to be high, e.g. R@1; 'mean' is the protocol's own.")] = "mean",
    cost: Annotated[
        str | None, typer.Option(help="That is to be low besides: parameters or seconds_per_query.")
    ] = None,
    space: Annotated[
        str | None, typer.Option(metavar="FILE", help="YAML of dials; by default the composer's of tune_spaces/.")
    ] = None,
    validation: Annotated[
        str | None, typer.Option(metavar="SPLIT", help="To measure on; by default val, or else a part of train.")
    ] = None,
    hold_out: Annotated[float, typer.Option(help="Share of the training references that this part has.")] = 0.1,
    protocol: Annotated[str | None, typer.Option(help="By default the dataset's own.")] = None,
    early_stopping: Annotated[bool, typer.Option(help="Stop trials that lag behind (ASHA).")] = True,
    grace_epochs: Annotated[int, typer.Option(min=1, help="That every trial may take.")] = 1,
    reduction: Annotated[int, typer.Option(min=2, help="One trial in so many goes on past a rung.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of the search, and of what is held out.")] = 0,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search a recipe's weights, margins and rates, or go on where an interrupted search of the same kind stopped."""
    from cirray.cli.tuning import Request, show_sweep, tune_recipe

    settings = {
        "trials": trials,
        "workers": workers,
        "gpu": gpu,
        "concurrency": concurrent,
        "metric": metric,
        "cost": cost,
        "hold_out": hold_out,
        "early_stopping": early_stopping,
        "grace_epochs": grace_epochs,
        "reduction": reduction,
        "seed": seed,
    }
    request = Request(recipe, dataset, epochs, space, validation, protocol, tuple(assignments or ()), settings)
    show_sweep(tune_recipe(open_root(root), request, open_display()), as_json)
