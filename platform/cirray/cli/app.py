"""`cirray`: the verbs, from typed functions. The jobs are the same verbs under another door."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from pydantic import ValidationError

from cirray.cli.learning import train, tune
from cirray.cli.measuring import compare, evaluate, submit
from cirray.cli.models import models_app
from cirray.cli.options import DatasetOption, JsonOption, ModelOption, RootOption, SetOption, SplitOption
from cirray.cli.verb import open_display, open_root, show
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
app.add_typer(models_app, name="models")


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
    show(generate_world(open_root(root, create=True), name or world, config, open_display()), as_json)


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

    result = prepare_dataset(
        open_root(root), name or reader, reader, source, assignments or (), open_display(), config
    )
    show(result, as_json)


for verb in (train, tune, evaluate, compare, submit):
    app.command()(verb)


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

    show(explain_query(open_root(root), model, dataset, item, image, text, out), as_json)


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

    show(
        build_index(open_root(root), model, dataset, split, index, shards, assignments or (), open_display()), as_json
    )


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
    assignments: SetOption = None,
) -> None:
    """Serve an index over HTTP, with a page to try it at /.

    Keys come from CIRRAY_READ_KEY and CIRRAY_WRITE_KEY, or the files that CIRRAY_READ_KEY_FILE and
    CIRRAY_WRITE_KEY_FILE name.
    """
    from cirray.cli.serving import serve_index

    serve_index(open_root(root), index, version, host, port, detach, assignments or (), open_display())


@app.command()
def feedback(
    index: Annotated[str, typer.Option(help="Whose hits were judged.")],
    root: RootOption,
    out: Annotated[str, typer.Option(help="Where the table goes: a path or s3:// URI that ends in .parquet.")],
    split: Annotated[str, typer.Option(help="Of the triplets; by default each is of its reference's.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Write what people accepted as a table of triplets, for `cirray prepare catalog`."""
    from cirray.cli.feedback import export_feedback

    show(export_feedback(open_root(root), index, out, split), as_json)


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

    show(clean_root(open_root(root), older_than_hours, dry_run, open_display()), as_json)


@app.command()
def demo(
    root: RootOption,
    scenes: Annotated[int, typer.Option(min=20, help="Base scenes of the generated world.")] = 1000,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go the whole way: a generated world, three trained methods, an index, and questions over HTTP."""
    from cirray.cli.demo import run_demo

    opened = open_root(root, create=True)
    with ray_cluster():
        summary = run_demo(opened, scenes, assignments or (), open_display())
    show(summary if as_json else {key: summary[key] for key in ("recalls", "report")}, as_json)


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit code; what the caller can mend is told in one line."""
    set_ray_defaults()
    return told(lambda: app(list(arguments)))


def told(command: Callable[[], object]) -> int:
    """Run a command and return the exit code; what the caller can mend is told in one line."""
    try:
        command()
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
