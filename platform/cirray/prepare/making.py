"""The making of a dataset version: tables, parts, duplicates, rejects, and what is told of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import pyarrow as pa

from cirray.cluster import ray_cluster
from cirray.datasets.schema import HASHES
from cirray.datasets.source import Source, SourceTables, readers
from cirray.errors import StorageError
from cirray.prepare.checks import check_items, check_named_splits, check_splits, check_triplets, drop_rejected_items
from cirray.prepare.config import PrepareConfig
from cirray.prepare.duplicates import duplicates_of_other_splits, find_duplicates
from cirray.prepare.pace import Pace
from cirray.prepare.parallel import prepare_parts, thin_parts
from cirray.prepare.part import PartResult
from cirray.prepare.plan import Part
from cirray.prepare.previous import HASHES_FILE, REJECTS_FILE, Previous, Taken
from cirray.prepare.rejects import DUPLICATE_OF_OTHER_SPLIT, Reject, check_share, rejects_of, rejects_table
from cirray.storage import FileEntry, Location, put_file, table_bytes
from cirray.storage.syncing import Syncing

DUPLICATES_FILE = "duplicates.parquet"


@dataclass(frozen=True)
class CheckedTables:
    """The tables of a source after the checks that need no picture.

    Attributes:
        items: the good items, schema `SOURCE_ITEMS`, sorted by id.
        triplets: the good triplets by split, schema `TRIPLETS`.
        rejects: the other rows.
        totals: rows that the source had, by kind ("item", "triplet").
    """

    items: pa.Table
    triplets: dict[str, pa.Table]
    rejects: list[Reject]
    totals: dict[str, int]


@dataclass(frozen=True)
class Made:
    """A version of which all is written but the manifest.

    Attributes:
        items: the kept items, schema `SOURCE_ITEMS`, sorted by id.
        triplets: the kept triplets by split.
        rejects: all of them.
        hashes: of all pictures that were decoded, schema `HASHES`.
        duplicates: schema `DUPLICATES`.
        parts: fingerprints of the parts of the item table, by their names.
        files: all files of the version.
        superseded: paths of files that were written on the way and are of no use any more.
        pictures_read: how many were read from the source.
        parts_taken: how many parts an earlier version had.
    """

    items: pa.Table
    triplets: dict[str, pa.Table]
    rejects: list[Reject]
    hashes: pa.Table
    duplicates: pa.Table
    parts: dict[str, str]
    files: list[FileEntry]
    superseded: list[str]
    pictures_read: int
    parts_taken: int

    @property
    def kinds(self) -> dict[str, int]:
        """How many duplicates there are of each kind."""
        return dict(sorted(Counter(self.duplicates["kind"].to_pylist()).items()))


def read_tables(source: Source, config: PrepareConfig) -> CheckedTables:
    """Return the tables of a source, checked; tables that are bad enough by themselves are refused here.

    Raises:
        DataError: the source is not in the reader's layout, or too many rows are bad.
        StorageError: it cannot be read.
    """
    tables: SourceTables = readers[config.reader.name](config.reader).read(source)
    check_splits(tables)
    check_named_splits(config.drop_train_duplicates_of, tables)
    unread = rejects_of(tables.rejects)
    totals = {"item": tables.items.num_rows, "triplet": sum(t.num_rows for t in tables.triplets.values())}
    totals = {kind: rows + sum(reject.kind == kind for reject in unread) for kind, rows in totals.items()}
    listed = {*tables.items["item_id"].to_pylist(), *(reject.id for reject in unread if reject.kind == "item")}
    items = check_items(tables.items, source.sizes)
    triplets = {split: check_triplets(split, rows, listed) for split, rows in sorted(tables.triplets.items())}
    rejects = [*unread, *items.rejects, *(reject for checked in triplets.values() for reject in checked.rejects)]
    check_share(rejects, totals, config.max_reject_share)
    return CheckedTables(items.table, {split: c.table for split, c in triplets.items()}, rejects, totals)


def make_version(
    target: Location,
    tables: CheckedTables,
    parts: Sequence[Part],
    previous: Previous,
    source: Location,
    config: PrepareConfig,
    pace: Pace,
) -> Made:
    """Write all files of a version but its manifest.

    Raises:
        DataError: too much was rejected, or a file changed in between.
        StorageError: something cannot be read or written.
    """
    results, superseded, drops, read = _make_parts(target, tables.items, parts, previous, source, config, pace)
    rejects = [*tables.rejects, *(reject for result in results for reject in result.rejects), *drops]
    hashes = _hashes(results)
    good = _without(tables.items, {reject.id for result in results for reject in result.rejects})
    kept = _without(good, {reject.id for reject in drops})
    kept_ids = set(kept["item_id"].to_pylist())
    final, rejected = _kept_triplets(tables.triplets, set(good["item_id"].to_pylist()), kept_ids)
    rejects += rejected
    check_share(rejects, tables.totals, config.max_reject_share)
    duplicates = find_duplicates(_only(hashes, kept_ids), config.similar_bits)

    tables_of_all = {f"triplets-{split}/part-00000.parquet": table for split, table in final.items()}
    tables_of_all |= {HASHES_FILE: hashes, DUPLICATES_FILE: duplicates, REJECTS_FILE: rejects_table(rejects)}
    with Syncing() as syncing:
        told = [_put(target, name, table, syncing) for name, table in tables_of_all.items()]
    files = [*(result.entry for result in results), *told]
    return Made(
        items=kept,
        triplets=final,
        rejects=rejects,
        hashes=hashes,
        duplicates=duplicates,
        parts={part.name: part.fingerprint for part in parts},
        files=files,
        superseded=superseded,
        pictures_read=read,
        parts_taken=len(parts) - pace.parts_made,
    )


def _make_parts(
    target: Location,
    items: pa.Table,
    parts: Sequence[Part],
    previous: Previous,
    source: Location,
    config: PrepareConfig,
    pace: Pace,
) -> tuple[list[PartResult], list[str], list[Reject], int]:
    """Return the results of all parts, paths that are of no use any more, the dropped items, and pictures read."""
    taken = {part.number: found for part in parts if (found := previous.take(part)) is not None}
    fresh = [part for part in parts if part.number not in taken]
    pace.begin(items.num_rows, sum(part.items.num_rows for part in fresh))

    def make(some: Sequence[Part]) -> dict[int, PartResult]:
        earlier = {part.number: found for part in some if (found := previous.earlier(part)) is not None}
        done = prepare_parts(some, source, target, config, pace.finished, earlier) if some else []
        pace.pictures_decoded += sum(result.decoded for result in done)
        return {result.number: result for result in done}

    # One Ray for all that follows, where there is work for it at all.
    with ray_cluster() if fresh else nullcontext():
        made = make(fresh)
        drops = _drops([*made.values(), *(found.result for found in taken.values())], items, config)
        dropped = {reject.id for reject in drops}
        made |= make(_unusable(parts, taken, dropped))
        made |= _copied(parts, taken, made, previous, target, make)
        thinned = _thinned(made, taken, dropped, target, config)
    superseded = [made[number].entry.path for number in thinned]
    results = sorted((made | thinned).values(), key=lambda result: result.number)
    return results, superseded, drops, pace.pictures_read


def _drops(results: Sequence[PartResult], items: pa.Table, config: PrepareConfig) -> list[Reject]:
    if not config.drop_train_duplicates_of:
        return []
    splits = dict(zip(items["item_id"].to_pylist(), items["splits"].to_pylist(), strict=True))
    return duplicates_of_other_splits(_hashes(results), splits, config.drop_train_duplicates_of)


def _unusable(parts: Sequence[Part], taken: dict[int, Taken], dropped: set[str]) -> list[Part]:
    """Take out of `taken`, and return, the parts from which other items were left out than are to be now."""
    unusable = []
    for part in parts:
        if part.number in taken and taken[part.number].dropped != dropped.intersection(part.ids):
            del taken[part.number]
            unusable.append(part)
    return unusable


def _copied(
    parts: Sequence[Part],
    taken: dict[int, Taken],
    made: dict[int, PartResult],
    previous: Previous,
    target: Location,
    make: Callable[[Sequence[Part]], dict[int, PartResult]],
) -> dict[int, PartResult]:
    """Copy the parts that are taken over; where the earlier version is going away meanwhile, make them anew."""
    names = {part.number: part.name for part in parts}
    try:
        found = previous.copy([part.result for part in taken.values()], names, target)
    except StorageError:
        lost = [part for part in parts if part.number in taken]
        taken.clear()
        return make(lost)
    return {result.number: result for result in found}


def _thinned(
    made: dict[int, PartResult], taken: dict[int, Taken], dropped: set[str], target: Location, config: PrepareConfig
) -> dict[int, PartResult]:
    """Write parts that have dropped items again without them; those that are taken over never had them."""
    whole = [
        result
        for number, result in made.items()
        if number not in taken and dropped.intersection(result.hashes["item_id"].to_pylist())
    ]
    return {result.number: result for result in thin_parts(whole, dropped, target, config)} if whole else {}


def _kept_triplets(
    triplets: dict[str, pa.Table], good: set[str], kept: set[str]
) -> tuple[dict[str, pa.Table], list[Reject]]:
    """Return the triplets of items that are kept, by split, and the others.

    A triplet of a good item that is left out because it is a duplicate goes for that reason, not for a fault.
    """
    final, rejects = {}, []
    for split, table in triplets.items():
        sound = drop_rejected_items(split, table, good)
        last = drop_rejected_items(split, sound.table, kept)
        final[split] = last.table
        rejects += sound.rejects
        rejects += [reject._replace(reason=DUPLICATE_OF_OTHER_SPLIT) for reject in last.rejects]
    return final, rejects


def _hashes(results: Sequence[PartResult]) -> pa.Table:
    tables = [result.hashes for result in results]
    return pa.concat_tables([HASHES.empty_table(), *tables]).sort_by("item_id").combine_chunks()


def _only(hashes: pa.Table, ids: set[str]) -> pa.Table:
    return hashes.filter(pa.array([item_id in ids for item_id in hashes["item_id"].to_pylist()], pa.bool_()))


def _without(items: pa.Table, rejected: set[str]) -> pa.Table:
    keep = [item_id not in rejected for item_id in items["item_id"].to_pylist()]
    return items.filter(pa.array(keep, pa.bool_()))


def _put(target: Location, name: str, table: pa.Table, syncing: Syncing) -> FileEntry:
    entry = put_file(target, name, table_bytes(table), rows=table.num_rows, durable=False)
    syncing.add(target / entry.path)
    return entry
