"""CLEVR-Change-Iterative, re-generated: a tree of scenes, each one change away from the scene that it grew from.

The dataset is described in "Using Text to Teach Image Retrieval" (Dong et al., arXiv:2011.09928) and not to be had;
sizes and rounds are the paper's, the statistics of the scenes are our own choice.
"""

from cirray.datasets.cci.changes import change, draw_change
from cirray.datasets.cci.config import CciConfig
from cirray.datasets.cci.relation import partners, valid_difference, valid_pairs
from cirray.datasets.cci.scene import CciObject, CciScene, describe, scene_label
from cirray.datasets.cci.tree import Edge, Tree, grow

__all__ = [
    "CciConfig",
    "CciObject",
    "CciScene",
    "Edge",
    "Tree",
    "change",
    "describe",
    "draw_change",
    "grow",
    "partners",
    "scene_label",
    "valid_difference",
    "valid_pairs",
]
