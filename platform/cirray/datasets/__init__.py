"""Items and triplets: their schema, the readers of raw sources, and what prepared datasets offer.

Importing registers all readers.
"""

from cirray.datasets import readers
from cirray.datasets.cache_space import CACHE_VARIABLE, LIMIT_VARIABLE, CacheFullError, CacheSpace, cache_folder
from cirray.datasets.caption_pairs import one_word_pairs, replacement_text
from cirray.datasets.fitting import Fit
from cirray.datasets.formats import FORMATS
from cirray.datasets.pictures import MAX_PIXELS, Pixels, decode, to_pixels
from cirray.datasets.pixels import PixelCache, PixelSource, open_pixels
from cirray.datasets.prepared import ITEM_COLUMNS, PreparedDataset
from cirray.datasets.schema import (
    DUPLICATES,
    HASHES,
    ITEMS,
    REJECTS,
    SOURCE_ITEMS,
    TRIPLETS,
    items_table,
    joined,
    triplets_table,
)
from cirray.datasets.source import Reader, Source, SourceTables
from cirray.datasets.streaming import PixelStream, open_source
from cirray.datasets.worlds import WriteResult, world_of, write_world

__all__ = [
    "CACHE_VARIABLE",
    "DUPLICATES",
    "FORMATS",
    "HASHES",
    "ITEMS",
    "ITEM_COLUMNS",
    "LIMIT_VARIABLE",
    "MAX_PIXELS",
    "REJECTS",
    "SOURCE_ITEMS",
    "TRIPLETS",
    "CacheFullError",
    "CacheSpace",
    "Fit",
    "PixelCache",
    "PixelSource",
    "PixelStream",
    "Pixels",
    "PreparedDataset",
    "Reader",
    "Source",
    "SourceTables",
    "WriteResult",
    "cache_folder",
    "decode",
    "items_table",
    "joined",
    "one_word_pairs",
    "open_pixels",
    "open_source",
    "readers",
    "replacement_text",
    "to_pixels",
    "triplets_table",
    "world_of",
    "write_world",
]
