"""`cirray`: the verbs, from typed functions. The jobs are the same verbs under another door."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from cirray.cluster import ray_cluster, set_ray_defaults
from cirray.errors import CirrayError

USAGE_ERROR = 2
"""Exit code for everything that the caller can mend."""

app = typer.Typer(
    help="Composed image retrieval on Ray: prepare, train, evaluate, index, serve.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
index_app = typer.Typer(help="Build search indexes.", no_args_is_help=True)
app.add_typer(index_app, name="index")

RootOption = Annotated[
    str, typer.Option("--root", envvar="CIRRAY_ROOT", help="Folder or s3://bucket/prefix under which all lives.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, e.g. training.epochs=3.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DatasetOption = Annotated[str | None, typer.Option("--dataset", help="NAME or NAME@VERSION; by default the model's.")]
ModelOption = Annotated[str, typer.Option("--model", help="NAME or NAME@VERSION.")]
SplitOption = Annotated[str, typer.Option("--split", help="Whose queries and gallery.")]


@app.command()
def generate(
    world: Annotated[str, typer.Argument(help="Which: css-2d, css-3d, css-2d-to-3d or cci.")],
    root: RootOption,
    name: Annotated[str | None, typer.Option(help="Under which the source is kept; by default the world's.")] = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Generate a synthetic world as a raw source."""
    from cirray.cli.operations import generate_world
    from cirray.config import override
    from cirray.datasets.worlds import worlds

    config = override(worlds[world].Config(), assignments or ())
    _show(generate_world(_root(root, create=True), name or world, config, _display()), as_json)


@app.command()
def prepare(
    reader: Annotated[str, typer.Argument(help="The source's layout, e.g. css-2d or catalog.")],
    root: RootOption,
    source: Annotated[str | None, typer.Option(help="Folder or s3:// prefix; by default raw/NAME.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the dataset; by default the reader's.")] = None,
    config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="YAML or JSON of settings; --set goes on top."),
    ] = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prepare a raw source: check, quarantine, and write items and triplets."""
    from cirray.cli.operations import prepare_dataset

    result = prepare_dataset(_root(root), name or reader, reader, source, assignments or (), _display(), config)
    _show(result, as_json)


@app.command()
def train(
    recipe: Annotated[str, typer.Option(help="Which run, e.g. css-2d/tirg-last-conv.")],
    root: RootOption,
    dataset: DatasetOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Training processes.")] = 1,
    gpu: Annotated[bool, typer.Option("--gpu", help="One GPU for each worker.")] = False,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a recipe's model, or go on where an interrupted run of the same settings stopped."""
    from cirray.cli.operations import train_model

    result = train_model(_root(root), recipe, dataset, workers, gpu, assignments or (), _display())
    _show({key: value for key, value in result.items() if as_json or key != "history"}, as_json)


@app.command()
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
    show_sweep(tune_recipe(_root(root), request, _display()), as_json)


@app.command()
def evaluate(
    model: ModelOption,
    root: RootOption,
    dataset: DatasetOption = None,
    split: SplitOption = "test",
    protocol: Annotated[
        str | None, typer.Option(help="How queries are put and what counts as found; by default the dataset's own.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a model's recall on a split, under a named protocol."""
    from cirray.cli.operations import evaluate_model

    record = evaluate_model(_root(root), model, dataset, split, protocol, _display())
    _show(record.model_dump(mode="json", exclude=None if as_json else {"rules", "versions"}), as_json)


@app.command()
def explain(
    model: ModelOption,
    root: RootOption,
    text: Annotated[str, typer.Option(help="What should change.")],
    item: Annotated[str | None, typer.Option(help="The reference, by its id in the dataset.")] = None,
    image: Annotated[str | None, typer.Option(help="The reference, by its path or s3:// URI.")] = None,
    dataset: DatasetOption = None,
    out: Annotated[str, typer.Option(help="Where the picture goes.")] = "explain.png",
    as_json: JsonOption = False,
) -> None:
    """Draw where a model looks when it composes a reference and a text: its gates, attention or saliency."""
    from cirray.cli.operations import explain_query

    _show(explain_query(_root(root), model, dataset, item, image, text, out), as_json)


@app.command()
def composers(
    pattern: Annotated[str, typer.Argument(help="Only those whose names match, e.g. 'tirg*'.")] = "*",
    as_json: JsonOption = False,
) -> None:
    """List the methods: paper, year, size, what each needs and what it can explain."""
    from cirray.cli.composers import show_composers

    show_composers(pattern, as_json)


@index_app.command("build")
def index_build(
    model: ModelOption,
    root: RootOption,
    index: Annotated[str, typer.Option(help="Name of the index.")],
    dataset: DatasetOption = None,
    split: SplitOption = "test",
    shards: Annotated[int, typer.Option(min=1, help="Into how many parts.")] = 2,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Embed a gallery with a model, and build a sharded index of it."""
    from cirray.cli.operations import build_index

    _show(build_index(_root(root), model, dataset, split, index, shards, assignments or (), _display()), as_json)


@app.command()
def serve(
    index: Annotated[str, typer.Option(help="Name of the index.")],
    root: RootOption,
    version: Annotated[str | None, typer.Option(help="Of the index; by default the live one.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    detach: Annotated[
        bool, typer.Option("--detach", help="Leave it running on the cluster of RAY_ADDRESS, and return.")
    ] = False,
) -> None:
    """Serve an index over HTTP, with a page to try it at /."""
    from cirray.cli.serving import serve_index

    serve_index(_root(root), index, version, host, port, detach, _display())


@app.command()
def clean(
    root: RootOption,
    older_than_hours: Annotated[
        float, typer.Option(min=0, help="Leave alone what is younger: it may belong to a running job.")
    ] = 24.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove what killed jobs left: unfinished versions, files written aside, uploads never completed."""
    from cirray.cli.operations import clean_root

    _show(clean_root(_root(root), older_than_hours, dry_run, _display()), as_json)


@app.command()
def demo(
    root: RootOption,
    scenes: Annotated[int, typer.Option(min=20, help="Base scenes of the generated world.")] = 1000,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go the whole way: a generated world, three trained methods, an index, and questions over HTTP."""
    from cirray.cli.demo import run_demo

    opened = _root(root, create=True)
    with ray_cluster():
        summary = run_demo(opened, scenes, assignments or (), _display())
    _show(summary if as_json else {key: summary[key] for key in ("recalls", "report")}, as_json)


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit code; what the caller can mend is told in one line."""
    set_ray_defaults()
    try:
        app(list(arguments))
    except CirrayError as error:
        print(f"cirray: {error}", file=sys.stderr)
        return USAGE_ERROR
    except ValidationError as error:
        print(f"cirray: {_explained(error)}", file=sys.stderr)
        return USAGE_ERROR
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _explained(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False)
    wrong = "; ".join(".".join(map(str, found["loc"])) + f": {found['msg']}" for found in problems)
    return f"The settings of {error.title} do not hold: {wrong}."


def _root(uri: str, *, create: bool = False) -> Any:
    from cirray.storage import Root

    return Root.open(uri, create=create)


def _display() -> Any:
    from cirray.cli.display import Display

    return Display.stderr()


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(result, indent=1))
        return
    for key, value in result.items():
        print(f"{key}: {_plain(value)}")


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items()) or "none"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
