"""A composed query from request to hits, free of any server and of Ray."""

from cirray.search.answer import (
    Answer,
    Coverage,
    ItemHit,
    RankedHit,
    ShardAnswer,
    ShardFailure,
    ask_shard,
)
from cirray.search.engine import ComposedQuery, PreparedQuery, QueryModel, References, SearchEngine
from cirray.search.query import DEFAULT_LIMIT, MAX_IMAGE_BYTES, MAX_LIMIT, MAX_TEXT_CHARS, Query

__all__ = [
    "DEFAULT_LIMIT",
    "MAX_IMAGE_BYTES",
    "MAX_LIMIT",
    "MAX_TEXT_CHARS",
    "Answer",
    "ComposedQuery",
    "Coverage",
    "ItemHit",
    "PreparedQuery",
    "Query",
    "QueryModel",
    "RankedHit",
    "References",
    "SearchEngine",
    "ShardAnswer",
    "ShardFailure",
    "ask_shard",
]
