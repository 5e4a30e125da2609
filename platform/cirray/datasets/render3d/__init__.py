"""A small software renderer: solids on a grey ground, lit and shadowed, by analytic ray casting in numpy.

The look is after CLEVR (Johnson et al., arXiv:1612.06890): solids of two sizes and two materials on a seamless grey
ground, a key light with soft shadows, a fill and a back light, and lights and camera that jitter from picture to
picture. It is no copy of that renderer: pictures are alike in kind, not in pixels.

The arithmetic on pixels is of operations that IEEE 754 rounds exactly (no powers, no trigonometry, no matrix
products), so that the bytes of a picture do not depend on the instruction set that numpy happens to use.
"""

from cirray.datasets.render3d.camera import Camera
from cirray.datasets.render3d.render import render
from cirray.datasets.render3d.solids import Form, Material, Solid
from cirray.datasets.render3d.stage import CLEVR_RGB, RADII, Pose, StageConfig, Standing
from cirray.datasets.render3d.studio import Light, Studio, StudioConfig

__all__ = [
    "CLEVR_RGB",
    "RADII",
    "Camera",
    "Form",
    "Light",
    "Material",
    "Pose",
    "Solid",
    "StageConfig",
    "Standing",
    "Studio",
    "StudioConfig",
    "render",
]
