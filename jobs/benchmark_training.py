"""Job: what training costs beside a bare loop, other libraries' losses, and one worker alone.

python jobs/benchmark_training.py                        on a small generated world; all composers
python jobs/benchmark_training.py --quick --json PATH    less of everything, and two composers
python jobs/benchmark_training.py --set 'parts=[loop, checkpoints]'
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cirray.cli.app import told
from cirray.cluster import set_ray_defaults


def main(
    quick: Annotated[
        bool, typer.Option("--quick", help="Less of everything: a minute or two, too little to judge speed by.")
    ] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where to write the results for programs.")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE")] = None,
) -> None:
    """Measure training."""
    set_ray_defaults()
    # Imports Ray, which reads its settings when it is imported.
    from cirray.cli.benchmark_training import QUICK, TrainingSettings, run_benchmark
    from cirray.cli.display import Display
    from cirray.config import override

    results = run_benchmark(override(QUICK if quick else TrainingSettings(), assignments or ()), Display.stderr())
    results.report(json_path)
    raise typer.Exit(int(results.missed))


if __name__ == "__main__":
    sys.exit(told(lambda: typer.run(main)))
