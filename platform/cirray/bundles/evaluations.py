"""Evaluations, kept beside the bundle that they are of."""

from __future__ import annotations

import hashlib

import pyarrow as pa
from pydantic import Field, ValidationError

from cirray.bundles.description import DESCRIPTION, BundleDescription
from cirray.bundles.model_card import CARD, model_card
from cirray.config import Config
from cirray.datasets import PreparedDataset
from cirray.errors import ArtifactError
from cirray.evaluation import Evaluation, Interval, Metrics, Protocol
from cirray.storage import (
    Artifact,
    FileEntry,
    Location,
    code_fingerprint,
    library_versions,
    put_file,
    table_bytes,
    table_from,
)

FOLDER = "evaluations"

MEASURING_CODE = (
    "cirray.bundles.bundle",
    "cirray.bundles.description",
    "cirray.composers",
    "cirray.datasets.fitting",
    "cirray.datasets.pictures",
    "cirray.datasets.pixels",
    "cirray.datasets.streaming",
    "cirray.encoders",
    "cirray.evaluation",
)
"""What decides the recalls of given weights on given data: after a change there, a record is out of date."""


class EvaluationRecord(Config):
    """One model's metrics on one split of one dataset version, under one protocol.

    Attributes:
        model: "name@version".
        model_fingerprint: of the bundle's content.
        dataset: "name@version".
        dataset_fingerprint: of the dataset's content.
        split: whose queries.
        protocol: name of the protocol.
        rules: of the protocol.
        num_queries: how many queries.
        num_gallery: how many gallery items, over all galleries.
        metrics: in percent, by name ("R@1"); means over the categories where there are some.
        categories: the same for each category.
        versions: of the libraries that measured.
        code: fingerprint of the part of cirray that measured; empty in records from before it was kept.
        intervals: 95 % interval of each metric, by the bootstrap over queries.
        outcomes: file, beside the record, of what each query came to.
    """

    model: str
    model_fingerprint: str
    dataset: str
    dataset_fingerprint: str
    split: str
    protocol: str
    rules: Protocol
    num_queries: int
    num_gallery: int
    metrics: Metrics
    categories: dict[str, Metrics]
    versions: dict[str, str]
    code: str = ""
    intervals: dict[str, Interval] = Field(default_factory=dict)
    outcomes: FileEntry | None = None


def save_evaluation(
    bundle: Artifact, dataset: PreparedDataset, protocol: Protocol, evaluation: Evaluation
) -> EvaluationRecord:
    """Write down an evaluation of `bundle` on `dataset` under `protocol`, in its card too, and return the record.

    Raises:
        StorageError: it cannot be written.
    """
    outcomes = put_file(
        bundle.place / FOLDER,
        f"{_stem(dataset, evaluation.split, protocol)}.parquet",
        table_bytes(evaluation.outcomes),
        rows=evaluation.outcomes.num_rows,
    )
    record = EvaluationRecord(
        model=f"{bundle.manifest.name}@{bundle.version}",
        model_fingerprint=bundle.digest,
        dataset=f"{dataset.name}@{dataset.artifact.version}",
        dataset_fingerprint=dataset.fingerprint,
        split=evaluation.split,
        protocol=protocol.name,
        rules=protocol,
        num_queries=evaluation.num_queries,
        num_gallery=evaluation.num_gallery,
        metrics=evaluation.metrics,
        categories=evaluation.categories,
        versions=library_versions(*bundle.manifest.versions),
        code=code_fingerprint(*MEASURING_CODE),
        intervals=evaluation.intervals,
        outcomes=outcomes,
    )
    _place(bundle, dataset, evaluation.split, protocol).write(record.model_dump_json(indent=1).encode())
    complete_card(bundle)
    return record


def find_evaluation(
    bundle: Artifact, dataset: PreparedDataset, split: str, protocol: Protocol
) -> EvaluationRecord | None:
    """Return the record of an earlier evaluation of the same model and data by the same rules and code, or None.

    Raises:
        ArtifactError: the record is corrupt.
    """
    place = _place(bundle, dataset, split, protocol)
    if not place.exists():
        return None
    try:
        record = EvaluationRecord.model_validate_json(place.read())
    except ValidationError as error:
        raise ArtifactError(f"The evaluation {place} is corrupt.", hint="Delete it and evaluate again.") from error
    measured = (record.model_fingerprint, record.dataset_fingerprint, record.rules, record.code)
    asked = (bundle.digest, dataset.fingerprint, protocol, code_fingerprint(*MEASURING_CODE))
    return record if measured == asked else None


def list_evaluations(bundle: Artifact) -> list[EvaluationRecord]:
    """Return the records beside a bundle that are of its weights, whenever and by whatever code they were measured.

    A file that is no record is passed over: `find_evaluation` tells of it when it is asked for.
    """
    records = []
    for file in (bundle.place / FOLDER).files():
        if "/" in file.path or not file.path.endswith(".json"):
            continue
        try:
            record = EvaluationRecord.model_validate_json((bundle.place / FOLDER / file.path).read())
        except ValidationError:
            continue
        if record.model_fingerprint == bundle.digest:
            records.append(record)
    return records


def read_outcomes(bundle: Artifact, record: EvaluationRecord) -> pa.Table:
    """Return what each query of an evaluation of `bundle` came to, schema `OUTCOMES`.

    Raises:
        ArtifactError: the file is not what the record says, or the record has none.
        StorageError: it cannot be read.
    """
    mend = f"Delete {bundle.place / FOLDER} and evaluate again."
    if record.outcomes is None:
        raise ArtifactError(f"The evaluation of {record.model} did not keep its queries.", hint=mend)
    file = bundle.place / FOLDER / record.outcomes.path
    data = file.read()
    if hashlib.sha256(data).hexdigest() != record.outcomes.sha256:
        raise ArtifactError(f"The file {file} is not what the evaluation beside it lists.", hint=mend)
    return table_from(data)


def page_place(bundle: Artifact, record: EvaluationRecord) -> Location:
    """Return where the page of an evaluation is: beside the record, under its name."""
    return bundle.place / FOLDER / f"{record.dataset}-{record.split}-{record.protocol}.html"


def complete_card(bundle: Artifact) -> None:
    """Write the bundle's card anew, unless it tells of all its evaluations already.

    Raises:
        StorageError: it cannot be written.
    """
    description = BundleDescription.model_validate_json(bundle.read(DESCRIPTION))
    place, records = bundle.place / CARD, None
    # Of two evaluations that end at once, the card that is written last must tell of both.
    while records != (found := list_evaluations(bundle)):
        records = found
        card = model_card(bundle, description, records).encode()
        if not (place.exists() and place.read() == card):
            place.write(card)


def _place(bundle: Artifact, dataset: PreparedDataset, split: str, protocol: Protocol) -> Location:
    return bundle.place / FOLDER / f"{_stem(dataset, split, protocol)}.json"


def _stem(dataset: PreparedDataset, split: str, protocol: Protocol) -> str:
    return f"{dataset.name}@{dataset.artifact.version}-{split}-{protocol.name}"
