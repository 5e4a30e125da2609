"""Where camera and lights stand, and how far they move from picture to picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cirray.config import Config
from cirray.datasets.render3d.camera import Camera, Vector


@dataclass(frozen=True)
class Light:
    """A lamp.

    Attributes:
        position: x, y, z.
        strength: on a white surface that faces it.
        size: radius of the disc that the light comes from; the larger, the softer its shadows.
        shadows: whether it casts any.
    """

    position: Vector
    strength: float
    size: float = 0.0
    shadows: bool = False


@dataclass(frozen=True)
class Studio:
    """A camera, and the lights: key, fill and back."""

    camera: Camera
    lights: tuple[Light, ...]


class StudioConfig(Config):
    """Camera, lights, and their jitter.

    No source gives the values: those of the jitter are CLEVR's where it has one (0.5 for the camera, 1.0 for the
    lights, uniform on each axis), all others are our own choice. Lengths are in CLEVR's units, where a large object
    has radius 0.7.

    Attributes:
        width: of the pictures in pixels.
        height: of the pictures in pixels.
        antialias: rays per pixel and axis.
        camera_distance: of the camera from the middle of the scene, along the ground.
        camera_height: of the camera above the ground.
        camera_jitter: most that the camera moves on each axis.
        light_jitter: most that each light moves on each axis.
    """

    width: int = Field(default=180, ge=16, le=2048)
    height: int = Field(default=120, ge=16, le=2048)
    antialias: int = Field(default=2, ge=1, le=4)
    camera_distance: float = Field(default=9.0, ge=6, le=100)
    camera_height: float = Field(default=8.8, ge=2, le=100)
    camera_jitter: float = Field(default=0.5, ge=0, le=2)
    light_jitter: float = Field(default=1.0, ge=0, le=2)

    def studio(self, rng: np.random.Generator) -> Studio:
        """Return one studio, jittered by `rng`."""
        camera = Camera(
            position=_moved((0.0, -self.camera_distance, self.camera_height), self.camera_jitter, rng),
            target=_TARGET,
            half_width=_HALF_WIDTH * _DISTANCE / float(np.hypot(self.camera_distance, self.camera_height)),
        )
        return Studio(
            camera,
            tuple(
                Light(_moved(light.position, self.light_jitter, rng), light.strength, light.size, light.shadows)
                for light in _LIGHTS
            ),
        )


_TARGET = (0.0, -0.2, 0.3)
_DISTANCE = float(np.hypot(9.0, 8.8))
_HALF_WIDTH = 0.43
_LIGHTS = (
    Light((5.5, -4.0, 8.5), strength=0.95, size=0.9, shadows=True),
    Light((-7.0, -7.0, 5.0), strength=0.28),
    Light((-3.0, 8.5, 9.0), strength=0.22),
)


def _moved(position: Vector, jitter: float, rng: np.random.Generator) -> Vector:
    offset: NDArray[np.float64] = jitter * rng.uniform(-1, 1, 3)
    x, y, z = (offset + position).tolist()
    return x, y, z
