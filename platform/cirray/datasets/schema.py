"""The tables that every dataset becomes: items, triplets, rejects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

SCHEMA_VERSION = 1
"""Goes up when a column of a prepared dataset changes its name, type or meaning."""

_WORD = re.compile(r"\w")
_HALF_PAIR = re.compile("[\ud800-\udfff]")


def _text(name: str) -> pa.Field:
    return pa.field(name, pa.string(), nullable=False)


def _texts(name: str) -> pa.Field:
    return pa.field(name, pa.list_(pa.string()), nullable=False)


_DESCRIPTION = [_text("label"), _text("caption"), _text("category"), _texts("attributes"), _texts("splits")]

SOURCE_ITEMS = pa.schema([_text("item_id"), _text("path"), *_DESCRIPTION])
"""Items as a reader finds them.

`path` is relative to the source. Two items of the same `label` are the same answer to a query. `caption` describes
the item; `category` is its part of the dataset where that has several ("dress"), else empty; `attributes` are its
tags. `splits` names the galleries that the item belongs to: an item may be in none, one or several, and a split may
have a smaller gallery beside its own, under a name of its own ("val" and "val-union").
"""

ITEMS = pa.schema(
    [
        _text("item_id"),
        *_DESCRIPTION,
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("image", pa.binary(), nullable=False),
    ]
)
"""Items as they are prepared: `image` is an encoded picture that is known to decode to `width` × `height` RGB."""

TRIPLETS = pa.schema(
    [
        _text("query_id"),
        _text("reference_id"),
        _texts("texts"),
        _text("target_id"),
        _texts("other_target_ids"),
        _texts("subset_ids"),
        _text("category"),
    ]
)
"""One composed query a row: the reference, the modification text, the target.

`texts` has at least one text; where there are several, each describes the same change in its own words, and protocols
and recipes say whether they are joined or used one by one. `target_id` is empty in all triplets of a split whose
targets are not public, and in no other. `other_target_ids` are further right answers,
`subset_ids` the few items among which the target must also be told apart (CIRR); both are mostly empty. `category` is
that of the query, or empty.
"""

REJECTS = pa.schema([_text("kind"), _text("id"), _text("reason"), _text("detail")])
"""What was left out, and why: `kind` is "item" or "triplet", `reason` a kebab-case word."""

HASHES = pa.schema(
    [
        _text("item_id"),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        _text("bytes"),
        _text("pixels"),
        pa.field("perceptual", pa.uint64(), nullable=False),
    ]
)
"""Size (as prepared) and hashes of every picture that was decoded, whether its item was kept or not.

`bytes` is the SHA-256 of the source's file, `pixels` a hash of size and pixels as they are prepared, both in hex.
`perceptual` is a difference hash of 64 bits: few bits differ between pictures that look alike.
"""

DUPLICATES = pa.schema([_text("item_id"), _text("duplicate_of"), _text("kind")])
"""Items whose picture another item has too; both are kept.

`kind` is "same-bytes", "same-pixels" or "similar"; `duplicate_of` is the first such item, by id. An item has at most
one row, of the strongest kind.
"""


def items_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return rows as a table of schema `SOURCE_ITEMS`; what a row does not say is empty, and its label its id."""
    return _table(({"label": row["item_id"], **row} for row in rows), SOURCE_ITEMS)


def triplets_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return rows as a table of schema `TRIPLETS`; what a row does not say is empty."""
    return _table(rows, TRIPLETS)


def joined(texts: Iterable[str], joiner: str = " and ") -> str:
    """Return the texts of one triplet as one, leaving out empty ones."""
    return joiner.join(text.strip() for text in texts if text.strip())


def has_words(text: str) -> bool:
    """Return whether a text has a letter or a digit of any script; without one it says nothing."""
    return _WORD.search(text) is not None


def _table(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    empty = {field.name: [] if pa.types.is_list(field.type) else "" for field in schema}
    # from_pylist takes the columns of the schema and leaves out others.
    full = [{**empty, **row} for row in rows]
    try:
        return pa.Table.from_pylist(full, schema=schema)
    except UnicodeEncodeError:
        # JSON and pickles can spell half a surrogate pair; the checks of rows find what stands for it.
        return pa.Table.from_pylist([{name: _encodable(row[name]) for name in schema.names} for row in full], schema)


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF_PAIR.sub("\ufffd", value)
    return [_encodable(each) for each in value] if isinstance(value, list | tuple) else value
