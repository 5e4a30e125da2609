"""The tables that every dataset becomes: items, triplets, rejects."""

from __future__ import annotations

import pyarrow as pa

SOURCE_ITEMS = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("splits", pa.list_(pa.string()), nullable=False),
    ]
)
"""Items as a reader finds them.

`path` is relative to the source. Two items of the same `label` are the same answer to a query. `splits` names the
galleries that the item belongs to: an item may be in none, one or several.
"""

ITEMS = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("splits", pa.list_(pa.string()), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("image", pa.binary(), nullable=False),
    ]
)
"""Items as they are prepared: `image` is an encoded picture that is known to decode to `width` × `height` RGB."""

TRIPLETS = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("reference_id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("target_id", pa.string(), nullable=False),
    ]
)
"""One composed query a row: the reference, the modification text, the target."""

REJECTS = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)
"""What was left out, and why: `kind` is "item" or "triplet", `reason` a kebab-case word."""
