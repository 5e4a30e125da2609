"""Items and triplets: their schema, the readers of raw sources, and what prepared datasets offer.

Importing registers all readers.
"""

from cirray.datasets.caption_pairs import one_word_pairs, replacement_text
from cirray.datasets.css_source import Css2d, CssMarker, WriteResult, write_css
from cirray.datasets.pictures import FORMATS, MAX_PIXELS, Pixels, decode, to_pixels
from cirray.datasets.pixels import CACHE_VARIABLE, PixelCache, cache_folder, open_pixels
from cirray.datasets.prepared import ITEM_COLUMNS, PreparedDataset
from cirray.datasets.readers import BirdsToWords, Cirr, Fashion200k, FashionIq, Shoes
from cirray.datasets.schema import ITEMS, REJECTS, SOURCE_ITEMS, TRIPLETS, items_table, joined, triplets_table
from cirray.datasets.source import Reader, Source, SourceTables, readers

__all__ = [
    "CACHE_VARIABLE",
    "FORMATS",
    "ITEMS",
    "ITEM_COLUMNS",
    "MAX_PIXELS",
    "REJECTS",
    "SOURCE_ITEMS",
    "TRIPLETS",
    "BirdsToWords",
    "Cirr",
    "Css2d",
    "CssMarker",
    "Fashion200k",
    "FashionIq",
    "PixelCache",
    "Pixels",
    "PreparedDataset",
    "Reader",
    "Shoes",
    "Source",
    "SourceTables",
    "WriteResult",
    "cache_folder",
    "decode",
    "items_table",
    "joined",
    "one_word_pairs",
    "open_pixels",
    "readers",
    "replacement_text",
    "to_pixels",
    "triplets_table",
    "write_css",
]
