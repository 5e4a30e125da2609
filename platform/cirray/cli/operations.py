"""What the verbs do: each the library's call, with its progress shown and its result as plain values.

Every operation is the same whether a person types it, a job runs it, or the demo does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cirray.bundles import (
    Bundle,
    BundleDetails,
    EvaluationRecord,
    complete_card,
    explain,
    find_evaluation,
    page_place,
    save_evaluation,
)
from cirray.cli.display import Display
from cirray.cli.pages import write_evaluation_page
from cirray.config import Config, override
from cirray.config_file import parse_mapping
from cirray.datasets import PreparedDataset, world_of, write_world
from cirray.errors import ConfigError
from cirray.evaluation import Protocol, evaluate, protocol_of, protocols
from cirray.index import IndexConfig, IndexDetails, IndexVersion
from cirray.prepare import PrepareConfig, prepare
from cirray.prepare.drawing import spread
from cirray.storage import Artifact, Location, Root
from cirray.storage.leftovers import find_leftovers, remove_leftovers

Result = dict[str, Any]

MAX_AGE_HOURS = 100_000
"""Eleven years."""


def generate_world(root: Root, name: str, config: Config, display: Display) -> Result:
    """Write the world that `config` is of as the raw source `name` under the root; a large one by Ray Data."""
    place = root.raw(name)
    with display.step(f"generate {name}") as step:
        result = write_world(config, place, step, spread(world_of(config)))
    if not result.written:
        display.say(f"unchanged: {place}")
    return {"source": place.uri, "changed": result.written, "counts": result.counts}


def prepare_dataset(
    root: Root,
    name: str,
    reader: str,
    source: str | None,
    assignments: Sequence[str],
    display: Display,
    config_uri: str | None = None,
) -> Result:
    """Prepare the dataset `name` from a source, by default from the raw one of that name under the root.

    Settings come from the file at `config_uri`, where there is one, and `assignments` on top of them.
    """
    settings = parse_mapping(Location.parse(config_uri).read(), config_uri) if config_uri else {}
    config = override(PrepareConfig.of(reader, settings), assignments)
    place = Location.parse(source) if source else root.raw(name)
    with display.step(f"prepare {name}") as step:
        result = prepare(root, name, place, config, step)
    if not result.changed:
        display.say(f"unchanged: {result.artifact.place}")
    if result.counts["rejects"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in result.rejects.items())
        display.say(f"rejected: {reasons}; each is a row of rejects.parquet")
    return {
        "dataset": versioned(result.artifact),
        "uri": result.artifact.place.uri,
        "changed": result.changed,
        "counts": result.counts,
        "rejects": result.rejects,
        "report": f"{result.artifact.place.uri}/report.html",
    }


def evaluate_model(
    root: Root, model: str, dataset: str | None, split: str, protocol: str | None, display: Display
) -> EvaluationRecord:
    """Evaluate a model on a split, by default of the dataset that it was trained on and under that one's protocol.

    Measured once, kept for good, with a page of queries beside the record.
    """
    artifact = open_model(root, model)
    data = open_dataset(root, dataset or artifact.details(BundleDetails).dataset)
    return evaluate_bundle(
        artifact, data, split, protocols[protocol] if protocol else protocol_of(data.reader), display
    )


def evaluate_bundle(
    artifact: Artifact, data: PreparedDataset, split: str, rules: Protocol, display: Display
) -> EvaluationRecord:
    """Evaluate a bundle, or return what was found when that was done, after completing what it left beside."""
    with display.step(f"evaluate {versioned(artifact)}") as step:
        found = find_evaluation(artifact, data, split, rules)
        record = found or save_evaluation(
            artifact, data, rules, evaluate(_open_told(artifact, display), data, split, rules, step)
        )
        if found:
            # Whoever measured may have been killed before the card was written.
            complete_card(artifact)
        if not (found and page_place(artifact, record).exists()):
            write_evaluation_page(artifact, data, record)
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
    """Embed a gallery and build a sharded index of it, by default of the dataset that the model was trained on.

    Raises:
        LowRecallError: it was built and kept, but finds too little to go live.
    """
    from cirray.index.build import build_index as build

    config = override(IndexConfig(), [f"num_shards={shards}", *assignments])
    artifact = open_model(root, model)
    data = open_dataset(root, dataset or artifact.details(BundleDetails).dataset)
    bundle = _open_ahead(artifact)
    with display.step(f"build index {name}"):
        result = build(
            root,
            bundle,
            Bundle.open_uri,
            data,
            split,
            config,
            name,
            progress=display.say,
        )
    if not result.built:
        display.say(f"unchanged: {result.artifact.place}")
    if not result.live:
        # The version is kept, but whoever asked for it to be served from now on must hear that it is not.
        IndexVersion.open(result.artifact).check_recall()
    manifest, details = result.artifact.manifest, result.artifact.details(IndexDetails)
    return {
        "index": versioned(result.artifact),
        "uri": result.artifact.place.uri,
        "changed": result.built,
        "counts": manifest.counts,
        "kind": details.kind,
        "why": details.why,
        "dials": details.dials.given(),
        "recall_at_10": round(details.recall.at_10, 4),
        "recall_queries": details.recall.queries,
        "bytes_per_vector": details.bytes_per_vector,
        "build_seconds": details.build_seconds,
        "verified_queries": details.verified_queries,
    }


def explain_query(
    root: Root, model: str, dataset: str | None, item: str | None, image: str | None, text: str, out: str
) -> Result:
    """Draw where a model looks when it composes a reference and a text.

    Args:
        root: of everything.
        model: by name.
        dataset: that has the item; by default the one that the model was trained on.
        item: id of the reference, or None where `image` is given.
        image: path or URI of the reference.
        text: the modification text.
        out: path or URI of the PNG picture to write.

    Raises:
        ConfigError: neither or both of `item` and `image` are given, or the model's method explains nothing.
    """
    if (item is None) == (image is None):
        raise ConfigError("Give the reference by --item, an id of the dataset, or by --image, a file.")
    artifact = open_model(root, model)
    if image is not None:
        reference = Location.parse(image).read()
    else:
        reference = open_dataset(root, dataset or artifact.details(BundleDetails).dataset).image(str(item))
    explanation = explain(Bundle.open(artifact), reference, text)
    place = Location.parse(out)
    place.write(explanation.png())
    return {
        "model": versioned(artifact),
        "picture": place.uri,
        "unknown_words": explanation.unknown,
        "maps": {
            name: {"height": values.shape[0], "width": values.shape[1], "mean": float(values.mean())}
            for name, values in explanation.maps.items()
        },
    }


def clean_root(root: Root, older_than_hours: float, dry_run: bool, display: Display) -> Result:
    """Remove what killed jobs left under the root, or only count it."""
    if not 0 <= older_than_hours <= MAX_AGE_HOURS:
        raise ConfigError(f"--older-than-hours is {older_than_hours}.", hint=f"Give 0 to {MAX_AGE_HOURS:,} hours.")
    with display.step("look for leftovers"):
        found = find_leftovers(root, older_than_hours * 3600)
    for file in found.files:
        display.say(file.path)
    if not dry_run:
        remove_leftovers(root, found)
    return {"files": len(found.files), "bytes": found.bytes, "uploads": len(found.uploads), "removed": not dry_run}


def open_dataset(root: Root, name: str) -> PreparedDataset:
    """Return the dataset "name" or "name@version"."""
    name, _, version = name.partition("@")
    return PreparedDataset(root.dataset(name).open(version or None))


def open_model(root: Root, name: str) -> Artifact:
    """Return the bundle of the model "name" or "name@version"."""
    name, _, version = name.partition("@")
    return root.model(name).open(version or None)


def _open_told(artifact: Artifact, display: Display) -> Bundle:
    """Return a model, after saying what its evaluation costs if it is more than usual."""
    bundle = Bundle.open(artifact)
    if bundle.scorer:
        display.say("a re-ranker: every query is scored with every gallery item, queries × items in all")
    return bundle


def _open_ahead(artifact: Artifact) -> Bundle:
    """Return a model, after making sure that a gallery can be embedded with it alone."""
    bundle = Bundle.open(artifact)
    bundle.check_embeds_ahead()
    return bundle


def versioned(artifact: Artifact) -> str:
    """Return "name@version" of an artifact."""
    return f"{artifact.manifest.name}@{artifact.version}"
