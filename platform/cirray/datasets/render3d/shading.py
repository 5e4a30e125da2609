"""How bright points are: lights, shadows, the ground, and the two materials.

All light is white, so that it is one number a point. Strengths and reflectances are linear; pictures are encoded with
a gamma of two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from cirray.datasets.render3d.camera import Directions, Floats, Vector
from cirray.datasets.render3d.solids import Solid
from cirray.datasets.render3d.studio import Light, Studio

GROUND = np.float32(0.36)
"""Reflectance of the ground."""

AMBIENT = np.float32(0.24)
"""Light from everywhere."""

GROUND_SAMPLES = 10
"""Points of the key light that a point of the ground looks for; their share that it sees is how light it is."""

SOLID_SAMPLES = 4
"""The same for a point of a solid, where an edge of a shadow shows less."""

_ONE, _ZERO = np.float32(1), np.float32(0)
_SHINE = {"rubber": np.float32(0.10), "metal": np.float32(0.9)}
_SHARPNESS = {"rubber": 4, "metal": 7}
"""How often the cosine of a highlight is squared."""


def light_points(light: Light, count: int) -> list[Vector]:
    """Return points spread evenly over the level disc that `light` comes from."""
    x, y, z = light.position
    golden = math.pi * (3 - math.sqrt(5))
    spread = [(light.size * math.sqrt((i + 0.5) / count), golden * i) for i in range(count)]
    return [(x + out * math.cos(angle), y + out * math.sin(angle), z) for out, angle in spread]


def visible_share(points: Directions, lamps: Sequence[Vector], blockers: Sequence[Solid]) -> Floats:
    """Return for each point, `(n,)`, the share of `lamps` that no blocker hides.

    A point must not lie inside a blocker.
    """
    x, y, z = (part[:, None] for part in points)
    lamp = [np.array(part, dtype=np.float32)[None, :] for part in zip(*lamps, strict=True)]
    direction = (lamp[0] - x, lamp[1] - y, lamp[2] - z)
    hidden = np.zeros((len(x), len(lamps)), dtype=np.bool_)
    for solid in blockers:
        enter, leave = solid.span(solid.local(x, y, z), solid.turned(*direction))
        hidden |= (enter < leave) & (leave > 0)
    open_ways = (len(lamps) - np.count_nonzero(hidden, axis=1)).astype(np.float32)
    return cast(Floats, np.float32(1 / len(lamps)) * open_ways)


def may_shade(blocker: Solid, solid: Solid, light: Light) -> bool:
    """Return whether `blocker` might hide a part of the light from `solid`; in doubt it might."""
    lamp = np.array(light.position)
    start = np.array([solid.x, solid.y, solid.half])
    ray = lamp - start
    length = math.sqrt(float((ray * ray).sum()))
    offset = np.array([blocker.x, blocker.y, blocker.half]) - start
    along = min(max(float((offset * ray).sum()) / length, 0.0), length)
    apart = offset - ray * (along / length)
    # A cylinder reaches further from its middle than its radius, and the light is a disc.
    reach = 1.5 * (solid.radius + blocker.radius) + light.size * along / length
    return float((apart * apart).sum()) < reach * reach


def ground_light(x: Floats, y: Floats, studio: Studio, solids: Sequence[Solid], seen: Floats | None = None) -> Floats:
    """Return how bright the ground is.

    Args:
        x: of the points.
        y: of the points.
        studio: with the lights.
        solids: which keep off some of the light from all around.
        seen: share of the light with shadows that each point sees; by default all of it.
    """
    soft = np.full_like(x, AMBIENT)
    hard = np.zeros_like(x)
    for light in studio.lights:
        dx, dy, dz = (np.float32(part) for part in light.position)
        distance = _squares(dx - x, dy - y) + dz * dz
        reached = _at_unit(light) * dz / (distance * np.sqrt(distance))
        if light.shadows:
            hard += reached
        else:
            soft += reached
    for solid in solids:
        height = np.float32(solid.half)
        distance = _squares(np.float32(solid.x) - x, np.float32(solid.y) - y) + height * height
        taken = np.float32(solid.radius**2) * height / (distance * np.sqrt(distance))
        soft *= _ONE - np.minimum(taken, np.float32(0.85))
    return cast(Floats, GROUND * (soft + (hard if seen is None else hard * seen)))


def solid_light(
    solid: Solid, points: Directions, normals: Directions, views: Directions, seen: Floats, studio: Studio
) -> tuple[Floats, Floats]:
    """Return the light that points of a solid send back in its own colour, and what they send back as it is.

    Args:
        solid: whose surface it is.
        points: on the surface, each component `(n,)`.
        normals: unit vectors away from the surface.
        views: unit vectors from the points to the camera.
        seen: share of the light with shadows that each point sees.
        studio: with the lights.
    """
    x, z = points[0], points[2]
    nx, ny, nz = normals
    # The ground throws less light up than the room throws down, and least where the solid stands on it.
    near = np.minimum(np.float32(0.55) + z * np.float32(0.45 / solid.radius), _ONE)
    matt = AMBIENT * near * (np.float32(0.8) + np.float32(0.35) * nz)
    shine = np.zeros_like(x)
    for light in studio.lights:
        lx, ly, lz = (np.float32(p) - own for p, own in zip(light.position, points, strict=True))
        distance = _squares(lx, ly) + lz * lz
        scale: Floats = np.divide(1, np.sqrt(distance))
        lx, ly, lz = (part * scale for part in (lx, ly, lz))
        strength = _at_unit(light) / distance * (seen if light.shadows else _ONE)
        matt += strength * np.maximum(nx * lx + ny * ly + nz * lz, _ZERO)
        hx, hy, hz = lx + views[0], ly + views[1], lz + views[2]
        glint = np.maximum(nx * hx + ny * hy + nz * hz, _ZERO) / np.sqrt(_squares(hx, hy) + hz * hz)
        for _ in range(_SHARPNESS[solid.material]):
            glint = glint * glint
        shine += strength * glint
    shine *= _SHINE[solid.material]
    if solid.material == "metal":
        matt = np.float32(0.45) * matt + np.float32(0.95) * _mirrored(solid, points, normals, views, studio)
    return matt, shine


def _mirrored(solid: Solid, points: Directions, normals: Directions, views: Directions, studio: Studio) -> Floats:
    """Return how bright what a mirror shows is: the ground below, and above a dim room with soft lamps."""
    x, y, z = points
    facing = 2 * (normals[0] * views[0] + normals[1] * views[1] + normals[2] * views[2])
    rx, ry, rz = (facing * n - v for n, v in zip(normals, views, strict=True))
    steps = np.minimum(z / np.maximum(-rz, np.float32(1e-3)), np.float32(30))
    below = ground_light(x + rx * steps, y + ry * steps, studio, [solid])
    above = np.float32(0.30) - np.float32(0.16) * np.maximum(rz, _ZERO)
    for light in studio.lights:
        lx, ly, lz = (np.float32(part) for part in light.position)
        length = np.float32(math.sqrt(lx * lx + ly * ly + lz * lz))
        glow = np.maximum(rx * lx + ry * ly + rz * lz, _ZERO) / length
        for _ in range(4):
            glow = glow * glow
        above += np.float32(1.1 * light.strength) * glow
    return np.where(rz < 0, below * np.float32(1.25), above)


def _at_unit(light: Light) -> np.float32:
    """Strength of a light at distance one, such that it has its nominal strength in the middle of the scene."""
    x, y, z = light.position
    return np.float32(light.strength * (x * x + y * y + z * z))


def _squares(x: Floats, y: Floats) -> NDArray[np.float32]:
    return x * x + y * y
