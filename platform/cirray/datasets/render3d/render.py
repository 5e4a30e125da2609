"""The picture of a few solids on the ground."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cirray.datasets.render3d.camera import Directions, Floats, Vector
from cirray.datasets.render3d.shading import (
    GROUND_SAMPLES,
    SOLID_SAMPLES,
    ground_light,
    light_points,
    may_shade,
    solid_light,
    visible_share,
)
from cirray.datasets.render3d.solids import Solid
from cirray.datasets.render3d.studio import Light, Studio

_HORIZON = np.float32(-0.05)
"""Rays that fall less steeply than this meet the ground so far away that it melts into the background."""

_MARGIN = 1.0
"""Pixels around a projected box, against rounding."""


def render(
    solids: Sequence[Solid], studio: Studio, width: int = 180, height: int = 120, antialias: int = 2
) -> NDArray[np.uint8]:
    """Return the picture of `solids`, `(height, width, 3)` RGB, 0 to 255.

    Args:
        solids: they must not overlap.
        studio: camera and lights.
        width: of the picture in pixels.
        height: of the picture in pixels.
        antialias: rays per pixel and axis where there are solids.
    """
    rays = studio.camera.rays(width * antialias, height * antialias)
    depth, owner = visibility(solids, studio, rays)
    ground = _ground(solids, studio, studio.camera.rays(width, height))
    color = np.zeros((3, depth.size), dtype=np.float32)
    for number, solid in enumerate(solids):
        places = np.flatnonzero(owner == number)
        if places.size:
            directions = (rays[0].ravel()[places], rays[1].ravel()[places], rays[2].ravel()[places])
            others = [*solids[:number], *solids[number + 1 :]]
            color[:, places] = _surface(solid, directions, depth.ravel()[places], studio, others)
    return _develop(color.reshape(3, *depth.shape), owner < 0, ground, antialias)


def visibility(solids: Sequence[Solid], studio: Studio, rays: Directions) -> tuple[Floats, NDArray[np.int16]]:
    """Return how deep each ray goes before it meets a solid, and which one it meets: -1 for none.

    Only rays through the box around a solid on the picture are tried on it.
    """
    height, width = rays[0].shape
    depth = np.full((height, width), np.inf, dtype=np.float32)
    owner = np.full((height, width), -1, dtype=np.int16)
    eye = _scalars(studio.camera.position)
    for number, solid in enumerate(solids):
        window = _window(studio.camera.project(solid.corners(), width, height), width, height)
        enter, leave = solid.span(solid.local(*eye), solid.turned(rays[0][window], rays[1][window], rays[2][window]))
        nearer = (enter < leave) & (enter > 0) & (enter < depth[window])
        np.copyto(depth[window], enter, where=nearer)
        np.copyto(owner[window], np.int16(number), where=nearer)
    return depth, owner


def _surface(solid: Solid, directions: Directions, depth: Floats, studio: Studio, others: Sequence[Solid]) -> Floats:
    """Return the linear colours, `(3, n)`, of the points of a solid that rays meet at `depth`."""
    eye = _scalars(studio.camera.position)
    x, y, z = (part + depth * way for part, way in zip(eye, directions, strict=True))
    normals = solid.turned(*solid.normals(*solid.local(x, y, z)), back=True)
    shorten = -1 / np.sqrt(sum((way * way for way in directions[1:]), directions[0] * directions[0]))
    views = (directions[0] * shorten, directions[1] * shorten, directions[2] * shorten)
    seen = np.ones_like(x)
    for light in studio.lights:
        blockers = [other for other in others if light.shadows and may_shade(other, solid, light)]
        if blockers:
            seen = visible_share((x, y, z), light_points(light, SOLID_SAMPLES), blockers)
    matt, shine = solid_light(solid, (x, y, z), normals, views, seen, studio)
    own = (np.array(solid.rgb, dtype=np.float32) / 255) ** 2
    return np.stack([part * matt + shine for part in own])


def _ground(solids: Sequence[Solid], studio: Studio, rays: Directions) -> Floats:
    """Return how bright the ground is that each ray would meet were it not for the solids."""
    height, width = rays[0].shape
    eye = _scalars(studio.camera.position)
    depth: Floats = np.divide(-eye[2], np.minimum(rays[2], _HORIZON))
    x, y = eye[0] + depth * rays[0], eye[1] + depth * rays[1]
    seen = np.ones_like(x)
    for light in studio.lights:
        if light.shadows:
            lamps = light_points(light, GROUND_SAMPLES)
            hidden = np.zeros_like(x)
            for solid in solids:
                corners = np.concatenate([_shadow(solid.corners(), lamp) for lamp in _rim(light)])
                window = _window(studio.camera.project(corners, width, height), width, height)
                part = x[window]
                points = (part.ravel(), y[window].ravel(), np.zeros(part.size, dtype=np.float32))
                # Two shadows on one another are a little darker than they should be, where both are soft.
                share = visible_share(points, lamps, [solid]).reshape(part.shape)
                np.maximum(hidden[window], 1 - share, out=hidden[window])
            seen = np.subtract(1, hidden)
    return ground_light(x, y, studio, solids, seen)


def _develop(color: Floats, bare: NDArray[np.bool_], ground: Floats, antialias: int) -> NDArray[np.uint8]:
    """Return the picture of linear colours `(3, height, width)`, with the ground where no solid is."""
    total = np.zeros((3, *ground.shape), dtype=np.float32)
    empty = np.zeros(ground.shape, dtype=np.float32)
    np.minimum(color, 1, out=color)
    for row in range(antialias):
        for column in range(antialias):
            total += color[:, row::antialias, column::antialias]
            empty += bare[row::antialias, column::antialias]
    total += empty * np.minimum(ground, 1)
    total *= np.float32(1 / antialias**2)
    encoded = np.sqrt(total) * np.float32(255) + np.float32(0.5)
    return np.ascontiguousarray(encoded.astype(np.uint8).transpose(1, 2, 0))


def _rim(light: Light) -> list[Vector]:
    """Return the corners of a square around the disc of a light."""
    x, y, z = light.position
    return [(x + i * light.size, y + j * light.size, z) for i in (-1, 1) for j in (-1, 1)]


def _shadow(points: NDArray[np.float64], lamp: Vector) -> NDArray[np.float64]:
    """Return where the shadows of points, which are lower than the lamp, fall on the ground."""
    source = np.array(lamp)
    scale = source[2] / (source[2] - points[:, 2])
    return np.asarray(source + (points - source) * scale[:, None])


def _window(places: NDArray[np.float64], width: int, height: int) -> tuple[slice, slice]:
    """Return the rows and columns of the box around places on the picture; all of them where one is infinite."""
    if not np.isfinite(places).all():
        return slice(0, height), slice(0, width)
    left, top = (places.min(axis=0) - _MARGIN).tolist()
    right, bottom = (places.max(axis=0) + _MARGIN).tolist()
    rows = slice(min(max(int(top), 0), height), min(max(int(bottom) + 1, 0), height))
    return rows, slice(min(max(int(left), 0), width), min(max(int(right) + 1, 0), width))


def _scalars(values: Vector) -> Directions:
    x, y, z = (np.array(value, dtype=np.float32) for value in values)
    return x, y, z
