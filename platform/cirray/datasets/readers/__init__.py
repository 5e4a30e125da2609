"""Readers of raw sources, one file a benchmark, each in its official layout. Importing registers them all."""

from cirray.datasets.readers.birds_to_words import BirdsToWords, BirdsToWordsConfig
from cirray.datasets.readers.cirr import Cirr, CirrConfig
from cirray.datasets.readers.fashion200k import Fashion200k, Fashion200kConfig
from cirray.datasets.readers.fashioniq import FashionIq, FashionIqConfig
from cirray.datasets.readers.shoes import Shoes, ShoesConfig

__all__ = [
    "BirdsToWords",
    "BirdsToWordsConfig",
    "Cirr",
    "CirrConfig",
    "Fashion200k",
    "Fashion200kConfig",
    "FashionIq",
    "FashionIqConfig",
    "Shoes",
    "ShoesConfig",
]
