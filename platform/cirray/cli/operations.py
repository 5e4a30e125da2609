"""What the verbs do: each the library's call, with its progress shown and its result as plain values.

Every operation is the same whether a person types it, a job runs it, or the demo does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cirray.bundles import Bundle, EvaluationRecord, find_evaluation, save_evaluation
from cirray.cli.display import Display
from cirray.config import override
from cirray.datasets import PreparedDataset, write_css
from cirray.datasets.css import CssConfig
from cirray.evaluation import evaluate
from cirray.index import IndexConfig
from cirray.prepare import PrepareConfig, prepare
from cirray.recipes import recipes
from cirray.storage import Artifact, Location, Root

Result = dict[str, Any]


def generate_world(root: Root, name: str, config: CssConfig, display: Display) -> Result:
    """Write a CSS-2D world as the raw source `name` under the root."""
    place = root.raw(name)
    with display.step(f"generate {name}") as step:
        result = write_css(config, place, step)
    if not result.written:
        display.say(f"unchanged: {place}")
    return {"source": place.uri, "changed": result.written, "counts": result.counts}


def prepare_dataset(
    root: Root, name: str, reader: str, source: str | None, assignments: Sequence[str], display: Display
) -> Result:
    """Prepare the dataset `name` from a source, by default from the raw one of that name under the root."""
    config = override(PrepareConfig.of(reader), assignments)
    place = Location.parse(source) if source else root.raw(name)
    with display.step(f"prepare {name}") as step:
        result = prepare(root, name, place, config, step)
    if not result.changed:
        display.say(f"unchanged: {result.artifact.place}")
    if result.counts["rejects"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in result.rejects.items())
        display.say(f"rejected: {reasons}; each is a row of rejects.parquet")
    return {
        "dataset": _versioned(result.artifact),
        "uri": result.artifact.place.uri,
        "changed": result.changed,
        "counts": result.counts,
        "rejects": result.rejects,
        "report": f"{result.artifact.place.uri}/report.html",
    }


def train_model(
    root: Root,
    recipe: str,
    dataset: str | None,
    workers: int,
    gpu: bool,
    assignments: Sequence[str],
    display: Display,
) -> Result:
    """Train the model of a recipe; where the same run was finished before, return its bundle at once."""
    from cirray.training import Scaling, train

    config = override(recipes[recipe](), assignments)
    data = open_dataset(root, dataset or config.dataset)
    with display.step(f"train {config.name}") as step:
        artifact, trained = train(
            root,
            config,
            data,
            Scaling(workers=workers, gpu=gpu),
            on_sign=lambda sign: step(sign.step, sign.steps, f"loss {sign.loss:.3f}"),
        )
    if not trained:
        display.say(f"unchanged: {artifact.place}")
    history = artifact.manifest.details["history"]
    return {
        "model": _versioned(artifact),
        "uri": artifact.place.uri,
        "changed": trained,
        "epochs": len(history),
        "loss": history[-1]["losses"]["total"],
        "triplets_per_s": history[-1]["triplets_per_s"],
        "history": history,
    }


def evaluate_model(root: Root, model: str, dataset: str | None, split: str, display: Display) -> EvaluationRecord:
    """Evaluate a model on a split, by default of the dataset that it was trained on; measured once, kept for good."""
    artifact = open_model(root, model)
    data = open_dataset(root, dataset or artifact.manifest.details["dataset"])
    with display.step(f"evaluate {artifact.manifest.name}") as step:
        found = find_evaluation(artifact, data, split)
        record = found or save_evaluation(artifact, data, evaluate(Bundle.open(artifact), data, split, step))
    if found:
        display.say("unchanged")
    return record


def build_index(
    root: Root,
    model: str,
    dataset: str | None,
    split: str,
    name: str,
    shards: int,
    assignments: Sequence[str],
    display: Display,
) -> Result:
    """Embed a gallery and build a sharded index of it, by default of the dataset that the model was trained on."""
    from cirray.index.build import build_index as build

    config = override(IndexConfig(num_shards=shards), assignments)
    artifact = open_model(root, model)
    data = open_dataset(root, dataset or artifact.manifest.details["dataset"])
    with display.step(f"build index {name}"):
        result = build(
            root,
            Bundle.open(artifact),
            Bundle.open_uri,
            data,
            split,
            config,
            name,
            progress=display.say,
        )
    if not result.built:
        display.say(f"unchanged: {result.artifact.place}")
    manifest = result.artifact.manifest
    return {
        "index": _versioned(result.artifact),
        "uri": result.artifact.place.uri,
        "changed": result.built,
        "counts": manifest.counts,
        "verified_queries": manifest.details["verified_queries"],
    }


def open_dataset(root: Root, name: str) -> PreparedDataset:
    """Return the dataset "name" or "name@version"."""
    name, _, version = name.partition("@")
    return PreparedDataset(root.dataset(name).open(version or None))


def open_model(root: Root, name: str) -> Artifact:
    """Return the bundle of the model "name" or "name@version"."""
    name, _, version = name.partition("@")
    return root.model(name).open(version or None)


def _versioned(artifact: Artifact) -> str:
    return f"{artifact.manifest.name}@{artifact.version}"
