"""Readers of raw sources, one file a benchmark, each in its official layout. Importing registers them all."""

from cirray.datasets.readers.ade20k import Ade20k, Ade20kConfig
from cirray.datasets.readers.css_original import CssOriginal, CssOriginalConfig
from cirray.datasets.readers.mit_states import (
    MitStates,
    MitStatesCompositions,
    MitStatesCompositionsConfig,
    MitStatesConfig,
)
from cirray.datasets.readers.open_images import OpenImages, OpenImagesConfig
from cirray.datasets.readers.ut_zap50k import UtZap50k, UtZap50kConfig

__all__ = [
    "Ade20k",
    "Ade20kConfig",
    "CssOriginal",
    "CssOriginalConfig",
    "MitStates",
    "MitStatesCompositions",
    "MitStatesCompositionsConfig",
    "MitStatesConfig",
    "OpenImages",
    "OpenImagesConfig",
    "UtZap50k",
    "UtZap50kConfig",
]
