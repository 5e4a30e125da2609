"""From a raw source to a committed dataset version."""

from __future__ import annotations

import io
import time
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from cirray.datasets.prepared import DatasetDetails
from cirray.datasets.raw import Progress, table_bytes
from cirray.datasets.schema import SCHEMA_VERSION
from cirray.datasets.source import Source, SourceTables, readers
from cirray.prepare.checks import check_items, check_splits, check_triplets, drop_rejected_items
from cirray.prepare.config import PrepareConfig
from cirray.prepare.parallel import prepare_parts
from cirray.prepare.rejects import check_share, count_reasons, rejects_of, rejects_table
from cirray.storage import (
    Artifact,
    FileEntry,
    Location,
    Manifest,
    Root,
    commit,
    fingerprint,
    put_file,
)

PREPARE_VERSION = 2
"""Goes up when the same source and settings no longer give the same dataset."""

REJECTS_FILE = "rejects.parquet"


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
    progress: Progress = lambda done, total: None,
) -> PrepareResult:
    """Make the dataset `name` from a raw source, and point its alias "latest" at it.

    Where the same source and settings gave a version before, that is taken, and Ray is not even imported. Stopped at
    any point, this leaves nothing that looks finished, and may be run again.

    Args:
        root: where the dataset goes.
        name: of the dataset.
        source: folder or prefix of the source.
        config: the reader of its layout, and all other settings.
        progress: called with (parts done, parts in all).

    Raises:
        DataError: the source is not in the reader's layout, or too much of it was rejected.
        StorageError: something cannot be read or written.
    """
    started = time.monotonic()
    listed = Source.open(source)
    draft = draft_manifest(name, listed, config)
    shelf = root.dataset(name)
    changed = not shelf.has(draft.fingerprint)
    if changed:
        artifact = _make(shelf.version(draft.fingerprint), draft, listed, config, progress)
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
    inputs = {"source": fingerprint([list(asdict(file).values()) for file in source.files])}
    return Manifest(
        kind="dataset",
        name=name,
        fingerprint=fingerprint({"inputs": inputs, "settings": settings}),
        inputs=inputs,
        settings=settings,
        details={"source": source.place.uri},
    )


def _make(
    target: Location,
    draft: Manifest,
    source: Source,
    config: PrepareConfig,
    progress: Progress,
) -> Artifact:
    tables: SourceTables = readers[config.reader.name](config.reader).read(source)
    check_splits(tables)
    unreadable = rejects_of(tables.rejects)
    totals = {"item": tables.items.num_rows, "triplet": sum(t.num_rows for t in tables.triplets.values())}
    totals = {kind: rows + sum(reject.kind == kind for reject in unreadable) for kind, rows in totals.items()}
    listed = set(tables.items["item_id"].to_pylist()) | {reject.id for reject in unreadable if reject.kind == "item"}
    items = check_items(tables.items, source.sizes)
    triplets = {split: check_triplets(split, rows, listed) for split, rows in sorted(tables.triplets.items())}
    rejects = [*unreadable, *items.rejects, *(reject for checked in triplets.values() for reject in checked.rejects)]
    # Tables that are bad enough by themselves are refused before the first picture is read.
    check_share(rejects, totals, config.max_reject_share)

    parts = prepare_parts(items.table, source.sizes, source.place, target, config, progress)
    rejects += [reject for part in parts for reject in part.rejects]
    kept = _without(items.table, {reject.id for part in parts for reject in part.rejects})
    kept_ids = set(kept["item_id"].to_pylist())
    final = {split: drop_rejected_items(split, checked.table, kept_ids) for split, checked in triplets.items()}
    rejects += [reject for checked in final.values() for reject in checked.rejects]
    check_share(rejects, totals, config.max_reject_share)

    files = [part.entry for part in parts]
    files += [_put(target, f"triplets-{split}/part-00000.parquet", checked.table) for split, checked in final.items()]
    files.append(_put(target, REJECTS_FILE, rejects_table(rejects)))
    counts = _counts(kept, {split: checked.table for split, checked in final.items()}) | {"rejects": len(rejects)}
    details = {**draft.details, "rejects": count_reasons(rejects)}
    return commit(target, draft.model_copy(update={"files": tuple(files), "counts": counts, "details": details}))


def _check_made(artifact: Artifact, config: PrepareConfig) -> None:
    """Check the share of a version that was made when perhaps more was allowed."""
    rejects = rejects_of(pq.read_table(io.BytesIO(artifact.read(REJECTS_FILE))))
    counts = artifact.manifest.counts
    kept = {"item": counts["items"], "triplet": sum(n for key, n in counts.items() if key.startswith("triplets_"))}
    totals = {kind: n + sum(reject.kind == kind for reject in rejects) for kind, n in kept.items()}
    check_share(rejects, totals, config.max_reject_share)


def _without(items: pa.Table, rejected: set[str]) -> pa.Table:
    keep = [item_id not in rejected for item_id in items["item_id"].to_pylist()]
    return items.filter(pa.array(keep, pa.bool_()))


def _put(target: Location, name: str, table: pa.Table) -> FileEntry:
    return put_file(target, name, table_bytes(table), rows=table.num_rows)


def _counts(items: pa.Table, triplets: dict[str, pa.Table]) -> dict[str, int]:
    memberships = items["splits"].to_pylist()
    splits = sorted({*triplets, *(split for splits in memberships for split in splits)})
    return {
        "items": items.num_rows,
        **{f"items_{split}": sum(split in splits for splits in memberships) for split in splits},
        **{f"triplets_{split}": table.num_rows for split, table in triplets.items()},
    }
