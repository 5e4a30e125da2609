"""Job: what ranking every query of an evaluation costs, beside a full sort of each query's scores.

python jobs/benchmark_evaluation.py                        30,000 queries, 30,000 items, 512 dimensions
python jobs/benchmark_evaluation.py --quick --json PATH    fewer of both
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cirray.cli.benchmark_evaluation import QUICK, EvaluationSettings, run_benchmark
from cirray.config import override


def main(
    quick: Annotated[bool, typer.Option("--quick", help="4,096 queries, 8,192 items: under a minute.")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where to write the results for programs.")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE")] = None,
) -> None:
    """Measure ranking."""
    run_benchmark(override(QUICK if quick else EvaluationSettings(), assignments or ())).report(json_path)


if __name__ == "__main__":
    typer.run(main)
