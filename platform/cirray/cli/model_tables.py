"""What the verbs `models …` print, for people and for programs."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from cirray.bundles import (
    BundleDetails,
    EvaluationRecord,
    ModelVersion,
    Move,
    PromotedAlias,
    list_models,
    read_promotions,
)
from cirray.bundles.model_card import CARD
from cirray.cli.model_promotion import Moved
from cirray.cli.operations import open_model
from cirray.errors import UnknownNameError
from cirray.storage import Artifact, Root

WIDTH = 140
"""Of tables that no terminal shows."""


def show_versions(root: Root, pattern: str, as_json: bool) -> None:
    """Print the versions of the models whose names match.

    Raises:
        UnknownNameError: none does.
    """
    models = list_models(root, pattern)
    if not models and pattern != "*":
        names = sorted({model.name for model in list_models(root)})
        raise UnknownNameError(f"No model's name matches {pattern!r}; there are: {', '.join(names) or 'none'}.")
    if as_json:
        _print_json([model.model_dump(mode="json") for model in models])
        return
    table = Table(caption="measured: the protocol's headline, in percent; `cirray models show` tells all")
    for column in ("model", "version", "aliases", "made (UTC)", "trained on", "parameters", "measured"):
        table.add_column(column, justify="right" if column == "parameters" else "left")
    for model in models:
        table.add_row(
            model.name,
            model.version,
            ", ".join(model.aliases) or "–",
            f"{model.made:%Y-%m-%d %H:%M}",
            *_columns(model),
        )
    _console().print(table)


def _columns(model: ModelVersion) -> tuple[str, str, str]:
    if model.problem:
        return model.problem, "–", "–"
    measured = [_headline(record, model.dataset) for record in model.evaluations]
    return model.dataset, f"{model.parameters / 1e6:.2f} M", "\n".join(measured) or "–"


def _headline(record: EvaluationRecord, trained_on: str) -> str:
    value = f"{record.metrics['mean']:.2f}" if "mean" in record.metrics else "–"
    of = "" if record.dataset == trained_on else f" of {record.dataset}"
    return f"{value} {record.protocol}, {record.split}{of}"


def show_model(root: Root, model: str, as_json: bool) -> None:
    """Print what is known of one version of a model.

    Raises:
        ArtifactError: there is no such version, or it is unfinished or corrupt.
    """
    name = model.partition("@")[0]
    artifact = open_model(root, model)
    versions = list_models(root, name)
    found = next(each for each in versions if each.version == artifact.version)
    moved = sorted({alias for each in versions for alias in each.aliases} - {"latest"})
    histories = {alias: history for alias in moved if (history := read_promotions(root, name, alias))}
    if as_json:
        manifest = artifact.manifest.model_dump(mode="json")
        promotions = {alias: history.model_dump(mode="json") for alias, history in histories.items()}
        _print_json({**found.model_dump(mode="json"), "manifest": manifest, "promotions": promotions})
        return
    for key, value in _facts(found, artifact).items():
        print(f"{key}: {value}")
    for record in found.evaluations:
        _console().print(_evaluation_table(record))
    for alias, history in histories.items():
        _console().print(_history_table(alias, history))


def _facts(found: ModelVersion, artifact: Artifact) -> dict[str, str]:
    code = artifact.details(BundleDetails).code
    return {
        "model": f"{found.name}@{found.version}",
        "uri": found.uri,
        "aliases": ", ".join(found.aliases) or "none",
        "made": f"{found.made:%Y-%m-%d %H:%M} UTC",
        "trained on": f"{found.dataset} (fingerprint {found.dataset_fingerprint or 'not kept'})",
        "parameters": f"{found.parameters:,}",
        "fingerprint": found.fingerprint,
        "code": " ".join(filter(None, (code.version, code.commit))) or "not kept",
        "libraries": ", ".join(f"{library} {number}" for library, number in artifact.manifest.versions.items()),
        "card": f"{found.uri}/{CARD}",
    }


def show_move(moved: Moved, as_json: bool) -> None:
    """Print what became of an alias."""
    move = moved.state.moves[-1]
    result = {
        "model": f"{moved.model}@{moved.state.version}",
        "alias": moved.alias,
        "changed": moved.changed,
        "generation": moved.state.generation,
        "move": move.model_dump(mode="json"),
    }
    if as_json:
        _print_json(result)
        return
    for key, value in {**result, "move": f"{move.action} by {move.by}: {_why(move)}"}.items():
        print(f"{key}: {value}")


def _evaluation_table(record: EvaluationRecord) -> Table:
    table = Table(title=f"{record.protocol}, {record.split} of {record.dataset}, in percent", title_justify="left")
    for column in ("", *record.metrics):
        table.add_column(column, justify="left" if not column else "right")
    for category, metrics in {"all": record.metrics, **record.categories}.items():
        table.add_row(category, *(f"{metrics[name]:.2f}" if name in metrics else "–" for name in record.metrics))
    return table


def _history_table(alias: str, history: PromotedAlias) -> Table:
    standing = ", ".join(reversed(history.standing[:-1])) or "none"
    table = Table(title=f"alias {alias}; a rollback goes to: {standing}", title_justify="left")
    for column in ("", "action", "version", "when (UTC)", "by", "why"):
        table.add_column(column)
    for number, move in reversed(list(enumerate(history.moves, start=1))):
        table.add_row(str(number), move.action, move.version, f"{move.at:%Y-%m-%d %H:%M}", move.by, _why(move))
    return table


def _why(move: Move) -> str:
    """Return reason and verdict of a move in one line."""
    said = [move.reason]
    if verdict := move.verdict:
        against = f", before {verdict.live_value:.2f}" if verdict.live_value is not None else ""
        said.append(f"{verdict.metric} {verdict.value:.2f}{against} ({verdict.protocol}, {verdict.split})")
    if move.overruled:
        said.append(f"forced past: {move.overruled}")
    return "; ".join(filter(None, said))


def _console() -> Console:
    # People write the reasons: a bracket or a colon in them is no markup.
    width = None if sys.stdout.isatty() else WIDTH
    return Console(file=sys.stdout, width=width, markup=False, emoji=False, highlight=False)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1))
