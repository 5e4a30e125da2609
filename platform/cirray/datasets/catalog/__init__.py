"""Any catalogue: its settings, its tables as rows of text, and triplets made of them by rule."""

from cirray.datasets.catalog.config import AttributeRule, CaptionWordRule, CatalogConfig
from cirray.datasets.catalog.rules import ItemValues, make_triplets
from cirray.datasets.catalog.table import MAX_CELL, Rows, read_rows
from cirray.datasets.catalog.template import Template
from cirray.datasets.catalog.triplets_table import read_triplets

__all__ = [
    "MAX_CELL",
    "AttributeRule",
    "CaptionWordRule",
    "CatalogConfig",
    "ItemValues",
    "Rows",
    "Template",
    "make_triplets",
    "read_rows",
    "read_triplets",
]
