"""Items and triplets: their schema, the readers of raw sources, and what prepared datasets offer.

Importing registers all readers.
"""

from cirray.datasets.css_source import Css2d, CssMarker, WriteResult, write_css
from cirray.datasets.formats import FORMATS
from cirray.datasets.pictures import MAX_PIXELS, Pixels, decode, to_pixels
from cirray.datasets.pixels import CACHE_VARIABLE, PixelCache, cache_folder, open_pixels
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
from cirray.datasets.source import Reader, Source, SourceReject, SourceTables, readers

__all__ = [
    "CACHE_VARIABLE",
    "DUPLICATES",
    "FORMATS",
    "HASHES",
    "ITEMS",
    "ITEM_COLUMNS",
    "MAX_PIXELS",
    "REJECTS",
    "SOURCE_ITEMS",
    "TRIPLETS",
    "Css2d",
    "CssMarker",
    "PixelCache",
    "Pixels",
    "PreparedDataset",
    "Reader",
    "Source",
    "SourceReject",
    "SourceTables",
    "WriteResult",
    "cache_folder",
    "decode",
    "items_table",
    "joined",
    "open_pixels",
    "readers",
    "to_pixels",
    "triplets_table",
    "write_css",
]
