"""Job: what each composer and its losses cost in training, beside the encoders' own forward and backward.

python jobs/benchmark_composers.py                        on a ResNet-18 at 224×224 pixels
python jobs/benchmark_composers.py --quick --json PATH    on the small encoder of the recipes
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cirray.cli.app import told
from cirray.cli.benchmark_composers import QUICK, ComposersSettings, run_benchmark
from cirray.config import override


def main(
    quick: Annotated[bool, typer.Option("--quick", help="On the recipes' small encoder: under a minute.")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where to write the results for programs.")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE")] = None,
) -> None:
    """Measure the composers."""
    run_benchmark(override(QUICK if quick else ComposersSettings(), assignments or ())).report(json_path)


if __name__ == "__main__":
    sys.exit(told(lambda: typer.run(main)))
