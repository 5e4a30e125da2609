"""Composers, one file a method. Importing this package registers them all."""

from cirray.composers.composer import Composer, ComposerConfig, Paper, VectorConfig, composers
from cirray.composers.image_only import ImageOnly, ImageOnlyConfig
from cirray.composers.retriever import ModelConfig, Retriever
from cirray.composers.text_only import TextOnly, TextOnlyConfig
from cirray.composers.tirg_last_conv import TirgLastConv, TirgLastConvConfig

__all__ = [
    "Composer",
    "ComposerConfig",
    "ImageOnly",
    "ImageOnlyConfig",
    "ModelConfig",
    "Paper",
    "Retriever",
    "TextOnly",
    "TextOnlyConfig",
    "TirgLastConv",
    "TirgLastConvConfig",
    "VectorConfig",
    "composers",
]
