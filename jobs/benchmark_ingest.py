"""Job: measure preparing and training's ingest against their floors, on the same files and cores.

python jobs/benchmark_ingest.py --quick --json ingest.json
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cirray.cluster import set_ray_defaults


def main(
    quick: Annotated[
        bool, typer.Option("--quick", help="Less of everything: under a minute, too little to judge the goals by.")
    ] = False,
    source: Annotated[Path | None, typer.Option(help="Folder of pictures; by default they are made.")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where to write the results for programs.")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE")] = None,
) -> None:
    """Measure ingest."""
    set_ray_defaults()
    # Imports Ray, which reads its settings when it is imported.
    from cirray.cli.benchmark_ingest import QUICK, IngestSettings, run_benchmark
    from cirray.config import override

    settings = override(QUICK if quick else IngestSettings(), assignments or ())
    results = run_benchmark(settings, source)
    results.report(json_path)
    raise typer.Exit(int(results.missed))


if __name__ == "__main__":
    typer.run(main)
