"""CSS 2D, re-generated: pictures of coloured shapes in a 3x3 grid, and texts that change them.

Color, Shape and Size is the dataset of TIRG (Vo et al., CVPR 2019, arXiv:1812.07119). `generate` draws a world of the
same counts, grammar and 2D look from a seed; what no source states is marked as our own choice where it is decided.
Numbers measured on it compare methods with each other, not with figures published for the original files.
"""

from __future__ import annotations

from cirray.datasets.css.config import CssConfig, CssScenesConfig
from cirray.datasets.css.files import encode_png, image_files, item_table, tables, triplet_table
from cirray.datasets.css.grammar import Modification, apply, parse
from cirray.datasets.css.render import render
from cirray.datasets.css.scene import CELLS, COLORS, RGB, SHAPES, SIZES, Scene, SceneObject, describe, scene_label
from cirray.datasets.css.split import PERMITTED, SPLITS, Split
from cirray.datasets.css.world import Query, World, generate

__all__ = [
    "CELLS",
    "COLORS",
    "PERMITTED",
    "RGB",
    "SHAPES",
    "SIZES",
    "SPLITS",
    "CssConfig",
    "CssScenesConfig",
    "Modification",
    "Query",
    "Scene",
    "SceneObject",
    "Split",
    "World",
    "apply",
    "describe",
    "encode_png",
    "generate",
    "image_files",
    "item_table",
    "parse",
    "render",
    "scene_label",
    "tables",
    "triplet_table",
]
