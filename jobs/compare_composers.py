"""Job: train and evaluate every method on one dataset, with one encoder and one budget, and print the table.

python jobs/compare_composers.py --root demo --dataset css-2d --workers 2 --json composers.json

The dataset must be prepared under the root. What an earlier comparison has trained is not trained again, so that one
that was interrupted goes on. `--quick` takes a small world of its own, one epoch and two methods: a minute or so,
most of which is the start of Ray Train's processes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from cirray.cli.app import told
from cirray.cluster import set_ray_defaults

QUICK = ("training.epochs=1", "training.batch_size=32")
QUICK_METHODS = "image-only,tirg-last-fc"


def main(
    root: Annotated[str | None, typer.Option(help="Folder or s3://bucket/prefix that has the dataset.")] = None,
    dataset: Annotated[str, typer.Option(help="Whose recipes: css-2d or fashion-products.")] = "css-2d",
    methods: Annotated[str, typer.Option(help="Shell patterns, with commas between them.")] = "*",
    workers: Annotated[int, typer.Option(min=1, help="Training processes.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Two methods on a small world of its own.")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where to write the results for programs.")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE")] = None,
) -> None:
    """Compare the methods."""
    set_ray_defaults()
    # Imports Ray, which reads its settings when it is imported.
    from cirray.cli.benchmark import Results
    from cirray.cli.compare import compare, measurements, show
    from cirray.cli.display import Display
    from cirray.cli.methods import methods_of
    from cirray.cli.operations import generate_world, prepare_dataset
    from cirray.cluster import ray_cluster
    from cirray.config import override
    from cirray.datasets.css import CssConfig
    from cirray.storage import Root

    display = Display.stderr()
    if quick == (root is not None):
        raise typer.BadParameter("Give --root, or --quick for a small world of its own.")
    if quick:
        dataset, methods = "css-2d", QUICK_METHODS
    chosen = methods_of(dataset, methods)
    with tempfile.TemporaryDirectory() as folder, ray_cluster():
        place = Root.open(root or folder)
        if quick:
            generate_world(place, dataset, override(CssConfig(), ["num_scenes=40"]), display)
            prepare_dataset(place, dataset, dataset, None, (), display)
        settings = [*(QUICK if quick else ()), *(assignments or ())]
        rows = compare(place, dataset, chosen, workers, settings, display)
    show(dataset, rows)
    results = Results("compare_composers", {"dataset": dataset, "workers": workers, "set": settings})
    results.add(*measurements(rows))
    if json_path is not None:
        results.write(json_path)
    raise typer.Exit(int(any(row.failed for row in rows)))


if __name__ == "__main__":
    sys.exit(told(lambda: typer.run(main)))
