"""Items and triplets: their schema, the readers of raw sources, and what prepared datasets offer.

Importing registers all readers.
"""

from cirray.datasets.cache_space import CACHE_VARIABLE, LIMIT_VARIABLE, CacheFullError, CacheSpace, cache_folder
from cirray.datasets.css_source import Css2d, CssMarker, WriteResult, write_css
from cirray.datasets.pictures import FORMATS, MAX_PIXELS, Pixels, decode, to_pixels
from cirray.datasets.pixels import PixelCache, PixelSource, open_pixels
from cirray.datasets.prepared import ITEM_COLUMNS, PreparedDataset
from cirray.datasets.schema import ITEMS, REJECTS, SOURCE_ITEMS, TRIPLETS, items_table, joined, triplets_table
from cirray.datasets.source import Reader, Source, SourceTables, readers
from cirray.datasets.streaming import PixelStream, open_source

__all__ = [
    "CACHE_VARIABLE",
    "FORMATS",
    "ITEMS",
    "ITEM_COLUMNS",
    "LIMIT_VARIABLE",
    "MAX_PIXELS",
    "REJECTS",
    "SOURCE_ITEMS",
    "TRIPLETS",
    "CacheFullError",
    "CacheSpace",
    "Css2d",
    "CssMarker",
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
    "open_pixels",
    "open_source",
    "readers",
    "to_pixels",
    "triplets_table",
    "write_css",
]
