"""Readers of raw sources, one file a benchmark, each in its official layout. Importing registers them all."""

from cirray.datasets.readers import (
    ade20k,
    birds_to_words,
    cirr,
    css_original,
    fashion200k,
    fashioniq,
    mit_states,
    open_images,
    shoes,
    ut_zap50k,
)

__all__ = [
    "ade20k",
    "birds_to_words",
    "cirr",
    "css_original",
    "fashion200k",
    "fashioniq",
    "mit_states",
    "open_images",
    "shoes",
    "ut_zap50k",
]
