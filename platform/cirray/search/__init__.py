"""A composed query from request to hits, free of any server and of Ray."""

from cirray.search.answer import (
    Answer,
    Coverage,
    FilterPlan,
    ItemHit,
    RankedHit,
    ShardAnswer,
    ShardFailure,
    ask_shard,
)
from cirray.search.engine import ComposedQuery, PreparedQuery, QueryModel, References, SearchEngine
from cirray.search.query import (
    DEFAULT_LIMIT,
    MAX_EXCLUDED,
    MAX_IMAGE_BYTES,
    MAX_LIMIT,
    MAX_TEXT_CHARS,
    MAX_WIDTH,
    Query,
)

__all__ = [
    "DEFAULT_LIMIT",
    "MAX_EXCLUDED",
    "MAX_IMAGE_BYTES",
    "MAX_LIMIT",
    "MAX_TEXT_CHARS",
    "MAX_WIDTH",
    "Answer",
    "ComposedQuery",
    "Coverage",
    "FilterPlan",
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
