"""From a raw source to a committed dataset version."""

from __future__ import annotations

import inspect
import time
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from cirray.datasets.prepared import DatasetDetails
from cirray.datasets.schema import SCHEMA_VERSION
from cirray.datasets.source import Source, readers
from cirray.errors import DataError, StorageError
from cirray.prepare.config import PrepareConfig
from cirray.prepare.making import make_version, read_tables
from cirray.prepare.pace import Pace, Progress
from cirray.prepare.plan import PART_CODE, plan_parts
from cirray.prepare.previous import PART_SETTINGS, PARTS, REJECTS_FILE, Previous
from cirray.prepare.rejects import check_share, count_reasons, rejects_of
from cirray.prepare.report import write_report
from cirray.prepare.summary import Timing
from cirray.storage import (
    Artifact,
    Location,
    Manifest,
    Root,
    Shelf,
    code_fingerprint,
    commit,
    fingerprint,
    table_from,
)

PREPARE_VERSION = 3
"""Goes up when the same source, settings and code no longer give the same dataset, as with another decoder."""

DECIDING_CODE = (
    "cirray.datasets.catalog",
    "cirray.datasets.readers",
    "cirray.datasets.schema",
    "cirray.prepare.checks",
    "cirray.prepare.duplicates",
    "cirray.prepare.making",
    "cirray.prepare.plan",
    *PART_CODE,
)
"""Modules of which a dataset is a result, with the reader's own."""


@dataclass(frozen=True)
class PrepareResult:
    """What a preparation came to.

    Attributes:
        artifact: the dataset version.
        changed: whether it was made now; False where the same source and settings had given it before.
        counts: "items", "items_<split>", "triplets_<split>" and "rejects".
        rejects: how many were rejected for each reason, the most frequent first.
        seconds: that the call took.
    """

    artifact: Artifact
    changed: bool
    counts: dict[str, int]
    rejects: dict[str, int]
    seconds: float


def prepare(
    root: Root,
    name: str,
    source: Location,
    config: PrepareConfig,
    progress: Progress = lambda done, total, note="": None,
) -> PrepareResult:
    """Make the dataset `name` from a raw source, and point its alias "latest" at it.

    Where the same source and settings gave a version before, that is taken, and Ray is not even imported. Where the
    source has changed, the parts of the latest version that the change does not touch are copied, unread. Stopped at
    any point, this leaves nothing that looks finished, and may be run again. Beside the manifest lie `report.html`,
    for people, and `summary.json`.

    Args:
        root: where the dataset goes.
        name: of the dataset.
        source: folder or prefix of the source.
        config: the reader of its layout, and all other settings.
        progress: called with (items done, items in all, a note on the pace).

    Raises:
        DataError: the source is not in the reader's layout, or too much of it was rejected.
        StorageError: something cannot be read or written.
    """
    started = time.monotonic()
    listed = Source.open(source, root.shelves_in(source))
    draft = draft_manifest(name, listed, config)
    shelf = root.dataset(name)
    changed = not shelf.has(draft.fingerprint)
    if changed:
        artifact = _make(shelf, draft, listed, config, progress)
        details = DatasetDetails.of(artifact)
    else:
        artifact = Artifact.open(shelf.version(draft.fingerprint), shelf.kind)
        details = DatasetDetails.of(artifact)
        _check_made(artifact, config)
    shelf.point_at(artifact.version)
    return PrepareResult(artifact, changed, artifact.manifest.counts, details.rejects, time.monotonic() - started)


def draft_manifest(name: str, source: Source, config: PrepareConfig) -> Manifest:
    """Return all of the manifest that is known before anything is made."""
    settings = {"prepare_version": PREPARE_VERSION, "schema_version": SCHEMA_VERSION, **config.identity()}
    inputs = {"source": fingerprint([file.identity for file in source.files]), "code": _code(config.reader.name)}
    return Manifest(
        kind="dataset",
        name=name,
        fingerprint=fingerprint({"inputs": inputs, "settings": settings}),
        inputs=inputs,
        settings=settings,
        details={"source": source.place.uri},
    )


def _code(reader: str) -> str:
    """Return the fingerprint of the code that makes a dataset, that of its reader included, wherever that stands."""
    deciding = code_fingerprint(*DECIDING_CODE)
    if reader not in readers:
        return deciding
    kind = readers[reader]
    try:
        return fingerprint([deciding, code_fingerprint(kind.__module__)])
    except (ModuleNotFoundError, ValueError):
        pass  # it was written in a script or a notebook
    try:
        return fingerprint([deciding, inspect.getsource(kind)])
    except (OSError, TypeError):
        return deciding


def _make(shelf: Shelf, draft: Manifest, source: Source, config: PrepareConfig, progress: Progress) -> Artifact:
    target = shelf.version(draft.fingerprint)
    started, pace = time.monotonic(), Pace(progress)
    tables = read_tables(source, config)
    files = {file.path: file for file in source.files}
    parts = plan_parts(tables.items, files, config, PREPARE_VERSION)
    try:
        made = make_version(target, tables, parts, Previous.latest(shelf), source.place, config, pace)
    except StorageError:
        # Whoever is first to finish the same version clears away what it no longer needs.
        if shelf.has(draft.fingerprint):
            return Artifact.open(target, shelf.kind)
        raise
    _check_unchanged(source, tables.items)
    counts = _counts(made.items, made.triplets) | {"rejects": len(made.rejects)}
    details = {**draft.details, "rejects": count_reasons(made.rejects), "duplicates": made.kinds, PARTS: made.parts}
    details[PART_SETTINGS] = fingerprint(parts[0].settings if parts else None)
    manifest = draft.model_copy(update={"files": tuple(made.files), "counts": counts, "details": details})
    # Before the manifest, so that a finished version has a report. It tells times, and so is no part of the artifact.
    write_report(target, manifest, tables.items, made, source, Timing.of(pace, time.monotonic() - started))
    artifact = commit(target, manifest)
    for path in made.superseded:
        (target / path).delete()
    return artifact


def _check_unchanged(source: Source, items: pa.Table) -> None:
    """Make sure that what was read is what was listed, by which the version is known from now on."""
    if changed := source.changed_since(items["path"].to_pylist()):
        raise DataError(
            f"{len(changed):,} files of {source} changed while it was being prepared, the first is {changed[0]}.",
            hint="Wait until the source is complete, then prepare it again.",
        )


def _check_made(artifact: Artifact, config: PrepareConfig) -> None:
    """Check the share of a version that was made when perhaps more was allowed."""
    rejects = rejects_of(table_from(artifact.read(REJECTS_FILE)))
    counts = artifact.manifest.counts
    kept = {"item": counts["items"], "triplet": sum(n for key, n in counts.items() if key.startswith("triplets_"))}
    totals = {kind: n + sum(reject.kind == kind for reject in rejects) for kind, n in kept.items()}
    check_share(rejects, totals, config.max_reject_share)


def _counts(items: pa.Table, triplets: dict[str, pa.Table]) -> dict[str, int]:
    members = Counter(split for splits in items["splits"].to_pylist() for split in set(splits))
    return {
        "items": items.num_rows,
        **{f"items_{split}": members[split] for split in sorted({*triplets, *members})},
        **{f"triplets_{split}": table.num_rows for split, table in triplets.items()},
    }
