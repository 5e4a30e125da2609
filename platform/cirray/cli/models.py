"""The verbs `models …`: which versions there are, and which of them is live."""

from __future__ import annotations

from typing import Annotated

import typer

from cirray.cli.options import DatasetOption, JsonOption, RootOption, SplitOption

models_app = typer.Typer(help="Versions of models: list them, and move the one that is live.", no_args_is_help=True)

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="NAME, NAME@VERSION or NAME@ALIAS.")]
AliasOption = Annotated[str, typer.Option("--alias", help="Which alias to move.")]
ByOption = Annotated[
    str | None, typer.Option("--by", envvar="CIRRAY_USER", help="Who does it; by default USER@HOST.")
]


@models_app.command("list")
def list_versions(
    root: RootOption,
    pattern: Annotated[str, typer.Argument(help="Only models whose names match, e.g. 'css-2d/*'.")] = "*",
    as_json: JsonOption = False,
) -> None:
    """List the versions of all models with their aliases and what was measured."""
    from cirray.cli.model_tables import show_versions
    from cirray.storage import Root

    show_versions(Root.open(root), pattern, as_json)


@models_app.command("show")
def show_version(model: ModelArgument, root: RootOption, as_json: JsonOption = False) -> None:
    """Show all that is known of one version: provenance, evaluations, and how its aliases were moved."""
    from cirray.cli.model_tables import show_model
    from cirray.storage import Root

    show_model(Root.open(root), model, as_json)


@models_app.command("promote")
def promote_version(
    model: ModelArgument,
    root: RootOption,
    dataset: DatasetOption = None,
    split: SplitOption = "test",
    protocol: Annotated[str | None, typer.Option(help="By default the dataset's own.")] = None,
    metric: Annotated[str, typer.Option(help="To compare; 'mean' is the protocol's headline.")] = "mean",
    margin: Annotated[
        float, typer.Option(help="Percentage points by which it must be better than the live one.")
    ] = 0,
    minimum: Annotated[float | None, typer.Option(help="Percent that it must reach in any case.")] = None,
    measure: Annotated[
        bool | None,
        typer.Option(
            "--measure/--no-measure", help="Evaluate what has no figure yet; by default yes, without --force."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Promote what does not pass; needs --reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    by: ByOption = None,
    alias: AliasOption = "live",
    as_json: JsonOption = False,
) -> None:
    """Make a version live if it is measurably better than the live one, on the same queries; measure where needed."""
    from cirray.cli.model_promotion import Asked, promote_model
    from cirray.cli.model_tables import show_move
    from cirray.storage import Root

    asked = Asked(dataset, split, protocol, metric, margin, minimum, measure)
    show_move(promote_model(Root.open(root), model, asked, force, reason, by, alias), as_json)


@models_app.command("rollback")
def roll_back(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="NAME of the model.")],
    root: RootOption,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    to: Annotated[str | None, typer.Option(help="VERSION that was live; by default the one before.")] = None,
    by: ByOption = None,
    alias: AliasOption = "live",
    as_json: JsonOption = False,
) -> None:
    """Make the version live again that was before the last promotion; and, once more, the one before that."""
    from cirray.cli.model_promotion import roll_model_back
    from cirray.cli.model_tables import show_move
    from cirray.storage import Root

    show_move(roll_model_back(Root.open(root), model, reason, to, by, alias), as_json)
