"""Checks of a source's tables, before any picture is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from cirray.datasets.reasons import BAD_ENCODING, NOT_TEXT, TEXT_TOO_LONG
from cirray.datasets.schema import SOURCE_ITEMS, TRIPLETS, joined
from cirray.datasets.source import SourceTables
from cirray.errors import DataError
from cirray.prepare import rejects as why
from cirray.prepare.rejects import Reject, check_share, rejects_of

MAX_PICTURE_BYTES = 128 << 20
"""Larger files are no pictures that could be used: with as many pixels as are allowed, 16 bits a colour are 120 MB"""

MAX_TEXT = 10_000
"""Characters that an id, a caption or a modification text may have; no text encoder reads as many."""

MAX_SPLITS = 1000
"""Different splits; a source with more has taken another column for that of its splits."""

_SHOWN = 200
_SPLIT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_WORD = re.compile(r"\w")
_BAD_ENCODING = re.compile("[\ufffd\ud800-\udfff]")
"""What decoders put in place of bytes that they cannot read: U+FFFD, or half of a surrogate pair."""

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
"""Control characters but white space."""


@dataclass(frozen=True)
class Checked:
    """What of a table was found good, and what not.

    Attributes:
        table: the good rows, sorted by id.
        rejects: the others.
    """

    table: pa.Table
    rejects: list[Reject]


def check_splits(tables: SourceTables) -> None:
    """Make sure that names of splits can be parts of file names, and that there is at least one item.

    Raises:
        DataError: they cannot, there are very many, or there is no item.
    """
    names = {*tables.triplets, *(split for splits in tables.items["splits"].to_pylist() for split in splits)}
    if len(names) > MAX_SPLITS:
        raise DataError(
            f"The source has {len(names):,} splits, such as {min(names)!r}; at most {MAX_SPLITS:,} are allowed.",
            hint="Check where the names of splits are taken from.",
        )
    for name in sorted(names):
        if not _SPLIT_NAME.fullmatch(name):
            raise DataError(
                f"A split is called {name[:_SHOWN]!r}; up to 100 letters, digits, '.', '_' and '-' are allowed.",
                hint="Rename it.",
            )
    if not tables.items.num_rows:
        # Why no row could be read says more than that there is none.
        items = [reject for reject in rejects_of(tables.rejects) if reject.kind == "item"]
        if items:
            check_share(items, {"item": len(items)}, 0.0)
        raise DataError("The source has no items.", hint="Check that it is complete.")


def check_named_splits(named: Iterable[str], tables: SourceTables) -> None:
    """Make sure that items belong to the splits that the settings name: of any other, nothing would ever be done.

    Raises:
        DataError: none does.
    """
    known = {split for splits in tables.items["splits"].to_pylist() for split in splits}
    if unknown := sorted({*named} - known):
        raise DataError(
            f"drop_train_duplicates_of names {', '.join(unknown)}, to which no item belongs; "
            f"there are: {', '.join(sorted(known)) or 'none'}."
        )


def check_items(items: pa.Table, sizes: Mapping[str, int]) -> Checked:
    """Return the items that have an id of their own, a label, a file with content, and a caption of text or none.

    Of items with the same id the first is kept.

    Args:
        items: schema `SOURCE_ITEMS`, any order.
        sizes: bytes of each file of the source, by its path.
    """
    good, rejects = [], []
    paths: dict[str, str] = {}
    columns = ("item_id", "path", "label", "caption")
    for row, (item_id, path, label, caption) in enumerate(_rows(items, *columns)):
        if not item_id.strip():
            rejects.append(Reject("item", item_id, why.EMPTY_ID, f"row {row}, path {path}"))
        elif item_id in paths:
            rejects.append(Reject("item", item_id, why.DUPLICATE_ID, f"{path}; kept was {paths[item_id]}"))
        else:
            paths[item_id] = path
            if path not in sizes:
                rejects.append(Reject("item", item_id, why.MISSING_FILE, path))
            elif not sizes[path]:
                rejects.append(Reject("item", item_id, why.EMPTY_FILE, path))
            elif sizes[path] > MAX_PICTURE_BYTES:
                # Judged by the listing: to find out what it is, it would have to be read into memory.
                rejects.append(Reject("item", item_id, why.TOO_LARGE, f"{path}: {sizes[path]:,} bytes"))
            elif not label.strip():
                # Items of one label are one answer: all those without would be the same.
                rejects.append(Reject("item", item_id, why.EMPTY_LABEL, path))
            elif found := _no_text(item_id) or _no_text(path) or _no_text(label) or _no_text(caption):
                rejects.append(Reject("item", item_id, found[0], f"{path}: {found[1]}"))
            else:
                good.append(row)
    return Checked(_taken(items, good, SOURCE_ITEMS, "item_id"), rejects)


def check_triplets(split: str, triplets: pa.Table, known: set[str]) -> Checked:
    """Return the triplets that have an id of their own within the split, a text, and items that the source lists.

    Of triplets with the same id the first is kept. A split in which no triplet has a target is one whose targets are
    hidden, such as a test set of which only a server knows the answers: its triplets need none.

    Args:
        split: whose triplets.
        triplets: schema `TRIPLETS`, any order.
        known: ids of all items that the source lists, good or not.
    """
    good, rejects = [], []
    seen: set[str] = set()
    columns = ("query_id", "reference_id", "texts", "target_id", "other_target_ids", "subset_ids")
    hidden = not any(triplets["target_id"].to_pylist())
    for row, (query_id, reference, texts, target, others, subset) in enumerate(_rows(triplets, *columns)):
        found = (
            _wrong_id(query_id, row, seen)
            or _no_text(query_id)
            or _wrong_text(joined(texts))
            or ((why.UNKNOWN_REFERENCE, reference) if reference not in known else None)
            or ((why.UNKNOWN_TARGET, target) if target not in known and not hidden else None)
            or _unknown(why.UNKNOWN_TARGET, others, known)
            or _unknown(why.UNKNOWN_SUBSET, subset, known)
        )
        seen.add(query_id)
        if found:
            rejects.append(Reject("triplet", query_id, found[0], f"{split}: {found[1]}"))
        else:
            good.append(row)
    return Checked(_taken(triplets, good, TRIPLETS, "query_id"), rejects)


def drop_rejected_items(split: str, triplets: pa.Table, kept: set[str]) -> Checked:
    """Return the triplets all of whose items are among those that were `kept`.

    Without one of its further targets or of its subset, a query would be another one, and easier or harder to answer.
    """
    good, rejects = [], []
    columns = ("query_id", "reference_id", "target_id", "other_target_ids", "subset_ids")
    for row, (query_id, reference, target, others, subset) in enumerate(_rows(triplets, *columns)):
        # Those without a target have passed `check_triplets`.
        named = [("reference", reference), *([("target", target)] if target else ())]
        named += [*(("other target", each) for each in others), *(("subset", each) for each in subset)]
        gone = next((f"{role} {item_id}" for role, item_id in named if item_id not in kept), None)
        if gone:
            rejects.append(Reject("triplet", query_id, why.REJECTED_ITEM, f"{split}: {gone}"))
        else:
            good.append(row)
    return Checked(_taken(triplets, good, TRIPLETS, "query_id"), rejects)


def _wrong_id(query_id: str, row: int, seen: set[str]) -> tuple[str, str] | None:
    if not query_id.strip():
        return why.EMPTY_ID, f"row {row}"
    return (why.DUPLICATE_ID, f"row {row}") if query_id in seen else None


def _unknown(reason: str, ids: list[str], known: set[str]) -> tuple[str, str] | None:
    return next(((reason, item_id) for item_id in ids if item_id not in known), None)


def _wrong_text(text: str) -> tuple[str, str] | None:
    if not text.strip():
        return why.EMPTY_TEXT, _shown(text)
    if found := _no_text(text):
        return found
    return None if _WORD.search(text) else (why.TEXT_WITHOUT_WORDS, _shown(text))


def _no_text(text: str) -> tuple[str, str] | None:
    """Return why a string is no text: traces of a wrong encoding, of bytes that are not letters, or its length."""
    if len(text) > MAX_TEXT:
        return TEXT_TOO_LONG, f"{len(text):,} characters, where {MAX_TEXT:,} are allowed"
    if _BAD_ENCODING.search(text):
        return BAD_ENCODING, _shown(text)
    return (NOT_TEXT, _shown(text)) if _CONTROL.search(text) else None


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}…"


def _rows(table: pa.Table, *columns: str) -> zip[tuple[Any, ...]]:
    return zip(*(table[name].to_pylist() for name in columns), strict=True)


def _taken(table: pa.Table, rows: list[int], schema: pa.Schema, key: str) -> pa.Table:
    chosen = table.select(schema.names).take(pa.array(rows, pa.int64()))
    return chosen.sort_by(key).cast(schema).combine_chunks()
