"""What the verbs that measure do beyond one model: several seeds of a recipe, and one model against another."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from cirray.bundles import page_place, read_outcomes
from cirray.cli.display import Display
from cirray.cli.operations import Result, evaluate_model, open_dataset, open_model, versioned
from cirray.cli.pages import comparison_page
from cirray.errors import ConfigError, MismatchError
from cirray.evaluation import changed_queries, compare_outcomes, spread_of
from cirray.storage import Artifact, Location, Root


def evaluate_models(
    root: Root, models: Sequence[str], dataset: str | None, split: str, protocol: str | None, display: Display
) -> Result:
    """Evaluate one model, or several of one recipe that differ in their seed, with the spread over them.

    Raises:
        ConfigError: a model is given twice, or models differ in more than their seed.
        MismatchError: they were evaluated on different versions of a dataset.
    """
    artifacts = [open_model(root, name) for name in models]
    _check_seeds(artifacts)
    records = [evaluate_model(root, versioned(each), dataset, split, protocol, display) for each in artifacts]
    told = [
        {**record.model_dump(mode="json"), "report": page_place(artifact, record).uri}
        for artifact, record in zip(artifacts, records, strict=True)
    ]
    if len(told) == 1:
        return told[0]
    if len({(record.dataset_fingerprint, record.protocol) for record in records}) > 1:
        raise MismatchError(
            "The models were evaluated on different data or under different protocols.", hint="Give --dataset."
        )
    spread = spread_of([record.metrics for record in records])
    return {"models": told, "over_seeds": {name: found.model_dump() for name, found in spread.items()}}


def compare_models(
    root: Root,
    models: tuple[str, str],
    dataset: str | None,
    split: str,
    protocol: str | None,
    out: str,
    display: Display,
) -> Result:
    """Compare two models on the same queries, and write a page of the queries that changed, and its figures beside.

    Args:
        root: of everything.
        models: the first, and the second that is measured against it.
        dataset: by default the one that the first model was trained on.
        split: whose queries.
        protocol: by default the dataset's own.
        out: path or URI of the page.
        display: for progress.

    Raises:
        ConfigError: `out` names no HTML page, or both models are one.
    """
    if not out.endswith(".html"):
        raise ConfigError(f"--out is {out!r}.", hint="Give the path of an HTML page, such as comparison.html.")
    artifacts = [open_model(root, name) for name in models]
    _check_different(artifacts)
    one = evaluate_model(root, versioned(artifacts[0]), dataset, split, protocol, display)
    # On the very same data, whatever the second was trained on.
    other = evaluate_model(root, versioned(artifacts[1]), one.dataset, split, one.protocol, display)
    first, second = read_outcomes(artifacts[0], one), read_outcomes(artifacts[1], other)
    differences = compare_outcomes(first, second, one.rules)
    gained, lost = changed_queries(first, second)
    data = open_dataset(root, one.dataset)
    with display.step("draw the queries that changed"):
        page = comparison_page((one, other), (first, second), differences, data)
    place = Location.parse(out)
    place.write(page)
    result = {
        "first": one.model,
        "second": other.model,
        "dataset": one.dataset,
        "split": split,
        "protocol": one.protocol,
        "num_queries": one.num_queries,
        "differences": {name: found.model_dump() for name, found in differences.items()},
        "gained": len(gained),
        "lost": len(lost),
        "report": place.uri,
    }
    Location.parse(out.removesuffix(".html") + ".json").write(json.dumps(result, indent=1).encode())
    return result


def show_comparison(result: Result) -> None:
    """Print a comparison as a table."""
    on = f"{result['dataset']}, {result['protocol']}"
    table = Table(title=f"{result['first']} (1) and {result['second']} (2) on {on}")
    for column in ("", "1", "2", "2 − 1", "95 % interval", "only 1", "only 2", "McNemar's p"):
        table.add_column(column, justify="right" if column else "left")
    for name, found in result["differences"].items():
        values = [f"{found['first']:.2f}", f"{found['second']:.2f}", f"{found['difference']:+.2f}"]
        interval, tested = f"{found['low']:+.2f} to {found['high']:+.2f}", ["", "", ""]
        if test := found["mcnemar"]:
            tested = [f"{test['only_first']:,}", f"{test['only_second']:,}", f"{test['p_value']:.2g}"]
        table.add_row(name, *values, interval, *tested)
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 130).print(table)
    print(f"{result['num_queries']:,} queries: {result['gained']:,} gained rank, {result['lost']:,} lost rank")
    print(f"report: {result['report']}")


def show_spread(result: Result) -> None:
    """Print the figures of several seeds as a table."""
    table = Table(title=f"{len(result['models'])} models, mean ± standard deviation over seeds")
    for column in ("", "mean", "±", "95 % interval of the mean", *(each["model"] for each in result["models"])):
        table.add_column(column, justify="right" if column else "left")
    for name, found in result["over_seeds"].items():
        interval = f"{found['low']:.2f} to {found['high']:.2f}"
        of_models = [f"{each['metrics'][name]:.2f}" for each in result["models"]]
        table.add_row(name, f"{found['mean']:.2f}", f"{found['deviation']:.2f}", interval, *of_models)
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 130).print(table)


def _check_seeds(artifacts: Sequence[Artifact]) -> None:
    _check_different(artifacts)
    one = _without_seed(artifacts[0])
    for other in artifacts[1:]:
        settings = _without_seed(other)
        if differing := sorted(key for key in one | settings if one.get(key) != settings.get(key)):
            raise ConfigError(
                f"{versioned(artifacts[0])} and {versioned(other)} differ in more than their seed: "
                f"{', '.join(differing)}.",
                hint="The spread over seeds is of one recipe; for two recipes, use `cirray compare`.",
            )


def _check_different(artifacts: Sequence[Artifact]) -> None:
    if len({artifact.place.uri for artifact in artifacts}) < len(artifacts):
        given = ", ".join(map(versioned, artifacts))
        raise ConfigError(f"A model is given twice: {given}.", hint="Name versions: NAME@VERSION.")


def _without_seed(artifact: Artifact) -> dict[str, Any]:
    return {key: value for key, value in artifact.manifest.settings.items() if key != "seed"}
