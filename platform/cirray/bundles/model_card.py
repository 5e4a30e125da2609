"""The model card: README.md of a bundle, in the convention of the Hugging Face hub.

Metadata in YAML comes first, then what people ask of a model. The card follows from the manifest and from the
evaluations beside the bundle. It is the one file of a version that is written again, after each evaluation; nothing
reads it back, so that no manifest lists it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jinja2
import yaml

from cirray.bundles.description import BundleDescription, BundleDetails
from cirray.composers import composers
from cirray.config import from_mapping
from cirray.storage import Artifact, Manifest

if TYPE_CHECKING:  # it is kept by whoever writes the card
    from cirray.bundles.evaluations import EvaluationRecord

CARD = "README.md"

_METRIC_TYPES = {"R": "recall", "R_subset": "recall", "mAP": "mean_average_precision", "accuracy": "accuracy"}
"""What the hub calls our metrics, by what stands before the "@"."""


def model_card(bundle: Artifact, description: BundleDescription, records: Sequence[EvaluationRecord]) -> str:
    """Return the card of a bundle.

    Args:
        bundle: as it is committed, or will be.
        description: of its model.
        records: its evaluations.
    """
    manifest = bundle.manifest
    details = from_mapping(BundleDetails, {"dataset": "", **manifest.details})
    composer = composers[description.model.composer.name]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cirray.bundles", "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("model_card.md").render(
        front=_yaml(_front_matter(manifest, description, details, records)),
        name=manifest.name,
        version=bundle.version,
        manifest=manifest,
        details=details,
        model=description.model,
        words=len(description.vocabulary.words),
        composer=composer,
        summary=(inspect.getdoc(composer) or "").splitlines()[0],
        split=manifest.settings.get("split", ""),
        workers=manifest.details.get("scaling", {}).get("workers"),
        settings=_yaml({key: manifest.settings[key] for key in _SHOWN if key in manifest.settings}),
        records=records,
        tables=[_table(record) for record in records],
    )


_SHOWN = ("seed", "objective", "training")
"""Settings of a run that the card writes out; those of the model have a paragraph of their own."""


def _front_matter(
    manifest: Manifest, description: BundleDescription, details: BundleDetails, records: Sequence[EvaluationRecord]
) -> dict[str, Any]:
    """Return the metadata that the hub reads, https://github.com/huggingface/hub-docs (modelcard.md)."""
    front: dict[str, Any] = {
        "library_name": "cirray",
        "tags": ["composed-image-retrieval", "image-retrieval", description.model.composer.name],
    }
    if details.dataset:
        front["datasets"] = [details.dataset.partition("@")[0]]
    if records:
        names = [name for record in records for name in record.metrics]
        front["metrics"] = sorted({_metric_type(name) for name in names} - {"mean"})
        front["model-index"] = [{"name": manifest.name, "results": [_result(record) for record in records]}]
    return front


def _result(record: EvaluationRecord) -> dict[str, Any]:
    name, _, version = record.dataset.partition("@")
    return {
        "task": {"type": "composed-image-retrieval", "name": "Composed image retrieval"},
        "dataset": {
            "type": name,
            "name": record.dataset,
            "split": record.split,
            "revision": version,
            "args": {"protocol": record.protocol, "fingerprint": record.dataset_fingerprint},
        },
        "metrics": [
            {"type": _metric_type(metric), "name": f"{metric} ({record.protocol})", "value": round(value, 4)}
            for metric, value in record.metrics.items()
        ],
    }


def _metric_type(name: str) -> str:
    return _METRIC_TYPES.get(name.partition("@")[0], name)


def _table(record: EvaluationRecord) -> list[list[str]]:
    """Return the rows of a table: a heading, the overall metrics, and those of each category."""
    names = list(record.metrics)
    rows = {"all": record.metrics, **record.categories}
    return [
        ["", *names],
        *([of, *(f"{values[name]:.2f}" if name in values else "–" for name in names)] for of, values in rows.items()),
    ]


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).strip()
