"""What all HTML pages share: their style, and their drawings. Each is one file that needs nothing from outside."""

from cirray.pages.curves import Curve, Panel, draw
from cirray.pages.rendering import render

__all__ = ["Curve", "Panel", "draw", "render"]
