"""Synthetic worlds as raw sources, one file a world. Importing registers them all, and their readers."""

from cirray.datasets.worlds.cci import Cci, CciReaderConfig, plan_cci
from cirray.datasets.worlds.css_2d import Css2d, Css2dConfig, plan_css_2d
from cirray.datasets.worlds.css_2d_to_3d import Css2dTo3d, Css2dTo3dConfig, Css2dTo3dReaderConfig, plan_css_2d_to_3d
from cirray.datasets.worlds.css_3d import Css3d, Css3dConfig, Css3dReaderConfig, plan_css_3d
from cirray.datasets.worlds.source import MARKER, WorldMarker, WorldReader, WriteResult, draw_here, write_world
from cirray.datasets.worlds.world import Picture, Plan, WorldKind, world_of, worlds

__all__ = [
    "MARKER",
    "Cci",
    "CciReaderConfig",
    "Css2d",
    "Css2dConfig",
    "Css2dTo3d",
    "Css2dTo3dConfig",
    "Css2dTo3dReaderConfig",
    "Css3d",
    "Css3dConfig",
    "Css3dReaderConfig",
    "Picture",
    "Plan",
    "WorldKind",
    "WorldMarker",
    "WorldReader",
    "WriteResult",
    "draw_here",
    "plan_cci",
    "plan_css_2d",
    "plan_css_2d_to_3d",
    "plan_css_3d",
    "world_of",
    "worlds",
    "write_world",
]
