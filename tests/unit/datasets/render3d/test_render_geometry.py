from __future__ import annotations

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cirray.datasets.render3d import (
    CLEVR_RGB,
    Camera,
    Form,
    Light,
    Pose,
    Solid,
    StageConfig,
    Standing,
    Studio,
    render,
)
from cirray.datasets.render3d.render import visibility
from cirray.errors import DataError

WIDTH, HEIGHT = 360, 240
LAMP = Light((5.0, -4.0, 8.0), strength=1.0, size=0.5, shadows=True)
STUDIO = Studio(Camera((0.0, -9.6, 7.6), (0.0, 0.0, 0.3), 0.4), (LAMP,))
RED, BLUE = CLEVR_RGB["red"], CLEVR_RGB["blue"]
FORMS: tuple[Form, ...] = ("cube", "sphere", "cylinder")


def owners(*solids: Solid, studio: Studio = STUDIO) -> NDArray[np.int16]:
    return visibility(solids, studio, studio.camera.rays(WIDTH, HEIGHT))[1]


def test_rays_and_projection_agree() -> None:
    x, y, z = STUDIO.camera.rays(WIDTH, HEIGHT)
    points = np.stack(
        [9.0 * part.astype(np.float64) + eye for part, eye in zip((x, y, z), STUDIO.camera.position, strict=True)]
    )
    places = STUDIO.camera.project(points.reshape(3, -1).T, WIDTH, HEIGHT).reshape(HEIGHT, WIDTH, 2)
    columns, rows = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    np.testing.assert_allclose(places, np.stack([columns, rows], axis=2), atol=1e-3)
    assert np.isinf(STUDIO.camera.project(np.array([[0.0, -99.0, 0.0]]), WIDTH, HEIGHT)).all()
    with pytest.raises(DataError, match="straight up or down"):
        Camera((0.0, 0.0, 5.0), (0.0, 0.0, 0.0), 0.4).rays(8, 8)


@pytest.mark.parametrize(("x", "y", "radius"), [(0.0, 0.0, 0.7), (2.0, 1.5, 0.7), (-2.0, -2.0, 0.35)])
def test_the_silhouette_of_a_sphere_has_the_area_of_its_projection(x: float, y: float, radius: float) -> None:
    camera = STUDIO.camera
    middle = np.array([x, y, radius]) - camera.position
    depth = float((middle * camera.axes[0]).sum())
    distance = math.sqrt(float((middle * middle).sum()))
    # A cone of half angle s around a ray at angle t to the axis cuts the picture plane in an ellipse.
    sine, cosine = radius / distance, math.sqrt(1 - (radius / distance) ** 2)
    area = math.pi * sine**2 * cosine / ((depth / distance) ** 2 - sine**2) ** 1.5 * (WIDTH / 0.8) ** 2
    found = int((owners(Solid("sphere", x, y, radius, 0.0, RED)) == 0).sum())
    assert found == pytest.approx(area, rel=0.02)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_nearer_hides_what_is_farther_in_any_order(form: Form) -> None:
    far, near = Solid(form, 0.0, 1.0, 0.7, 0.4, RED), Solid(form, 0.0, -0.6, 0.7, 0.4, BLUE)
    alone = owners(far) == 0
    both = owners(far, near)
    in_front = owners(near) == 0
    assert (alone & in_front).sum() > 50
    assert (both[in_front] == 1).all()
    assert (both[alone & ~in_front] == 0).all()
    np.testing.assert_array_equal(render([far, near], STUDIO), render([near, far], STUDIO))


@pytest.mark.parametrize("form", FORMS)
def test_the_window_around_a_solid_cuts_nothing_off(form: Form) -> None:
    rng = np.random.default_rng(5)
    rays = STUDIO.camera.rays(WIDTH, HEIGHT)
    eye = [np.array(part, dtype=np.float32) for part in STUDIO.camera.position]
    for _ in range(10):
        x, y, turn = rng.uniform(-2.5, 2.5, 3).tolist()
        solid = Solid(form, x, y, 0.7, turn, RED)
        enter, leave = solid.span(solid.local(*eye), solid.turned(*rays))
        np.testing.assert_array_equal(owners(solid) == 0, (enter < leave) & (enter > 0))


@pytest.mark.parametrize("form", FORMS)
def test_entry_points_lie_on_the_surface_with_normals_towards_the_camera(form: Form) -> None:
    solid = Solid(form, 0.5, 0.3, 0.7, 0.6, RED)
    rays = STUDIO.camera.rays(WIDTH, HEIGHT)
    depth, owner = visibility([solid], STUDIO, rays)
    hit = owner == 0
    points = [np.float32(eye) + depth[hit] * way[hit] for eye, way in zip(STUDIO.camera.position, rays, strict=True)]
    x, y, z = solid.local(*points)
    out = np.sqrt(x * x + y * y)
    reach = {
        "cube": np.maximum(np.maximum(abs(x), abs(y)), abs(z)) * math.sqrt(2),
        "sphere": np.sqrt(out * out + z * z),
        "cylinder": np.maximum(out, abs(z)),
    }[form]
    np.testing.assert_allclose(reach, 0.7, atol=1e-4)
    normals = solid.turned(*solid.normals(x, y, z), back=True)
    np.testing.assert_allclose(sum(part * part for part in normals), 1, atol=1e-3)
    assert (sum(n * way[hit] for n, way in zip(normals, rays, strict=True)) < 1e-2).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_shadow_falls_away_from_the_light_and_is_darker_than_the_ground(form: Form) -> None:
    solid = Solid(form, 0.0, 0.0, 0.7, 0.3, RED)
    unlit = Studio(STUDIO.camera, (replace(LAMP, shadows=False),))
    shadowed, flat = (render([solid], studio, WIDTH, HEIGHT, 1)[:, :, 0].astype(int) for studio in (STUDIO, unlit))
    ground = owners(solid) < 0
    dark = ground & (shadowed < 0.75 * flat)
    assert dark.sum() > 300
    x, y, z = (part.astype(np.float64) for part in STUDIO.camera.rays(WIDTH, HEIGHT))
    east = STUDIO.camera.position[0] - x / z * STUDIO.camera.position[2]
    north = STUDIO.camera.position[1] - y / z * STUDIO.camera.position[2]
    assert east[dark].mean() < -0.3
    assert north[dark].mean() > 0.1
    # No point of the solid throws its shadow further than its top does.
    reach = 1.4 / (LAMP.position[2] - 1.4) * math.hypot(*LAMP.position[:2]) + 2 * 0.7
    assert np.hypot(east[dark], north[dark]).max() < reach
    assert (shadowed >= flat - 1)[ground & ((east > 1.0) | (north < -1.0))].all()


def test_a_solid_in_the_shadow_of_another_is_darker() -> None:
    shaded = Solid("sphere", -0.9, 0.72, 0.35, 0.0, BLUE)
    caster = Solid("cylinder", 0.0, 0.0, 0.7, 0.0, RED)
    alone, both = (render(solids, STUDIO, WIDTH, HEIGHT, 1).astype(int) for solids in ([shaded], [shaded, caster]))
    seen = owners(shaded, caster) == 0
    assert both[seen].sum() < 0.8 * alone[seen].sum()


def test_metal_has_brighter_highlights_than_rubber() -> None:
    rubber = Solid("sphere", 0.0, 0.0, 0.7, 0.0, BLUE)
    matt, shiny = (render([replace(rubber, material=m)], STUDIO, WIDTH, HEIGHT) for m in ("rubber", "metal"))
    hit = owners(rubber) == 0
    assert shiny[hit][:, 0].max() > matt[hit][:, 0].max() + 50


def test_edges_are_smoothed() -> None:
    solid = Solid("cube", 0.0, 0.0, 0.7, 0.4, CLEVR_RGB["yellow"])
    coarse, fine = (render([solid], STUDIO, 180, 120, samples).astype(int) for samples in (1, 3))
    # Blue is either that of the ground or next to none, except where a pixel is half of each.
    between = [int(((p[:, :, 2] > 75) & (p[:, :, 2] < 105)).sum()) for p in (coarse, fine)]
    assert between[1] > between[0] + 5


def test_any_size_shows_the_same() -> None:
    solid = Solid("cylinder", 0.4, 0.2, 0.7, 0.0, RED)
    small, large = render([solid], STUDIO, 90, 60), render([solid], STUDIO, 270, 180)
    assert small.shape == (60, 90, 3)
    shrunk = large.reshape(60, 3, 90, 3, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - small).mean() < 2


def test_jitter_moves_an_unchanged_object_but_not_far() -> None:
    stage = StageConfig()
    places = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        standing = Standing("sphere", "red", "large", "rubber", 4, Pose.draw(rng))
        solid = stage.solid(standing)
        assert max(abs(solid.x), abs(solid.y)) <= stage.position_jitter
        rows, columns = np.nonzero(owners(solid, studio=stage.studio(rng)) == 0)
        places.append((rows.mean() / HEIGHT, columns.mean() / WIDTH))
    spread = np.array(places)
    assert spread.std(axis=0).min() > 0.005
    assert np.abs(spread - 0.5).max() < 1 / 6  # it stays in the middle cell


def test_all_cells_are_in_the_picture_whatever_the_jitter() -> None:
    stage = StageConfig()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        solids = [
            stage.solid(Standing("cylinder", "red", "large", "rubber", cell, Pose.draw(rng))) for cell in range(9)
        ]
        corners = np.concatenate([solid.corners() for solid in solids])
        places = stage.studio(rng).camera.project(corners, stage.width, stage.height)
        assert places.min() > -6
        assert (places < [stage.width + 6, stage.height + 6]).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_small_object_right_behind_a_large_one_can_still_be_seen(form: Form) -> None:
    stage = StageConfig()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        cell = int(rng.integers(6))
        hidden = stage.solid(Standing(form, "red", "small", "rubber", cell, Pose.draw(rng)))
        screen = stage.solid(Standing("cylinder", "blue", "large", "rubber", cell + 3, Pose.draw(rng)))
        studio = stage.studio(rng)
        visible, whole = (int((owners(*solids, studio=studio) == 0).sum()) for solids in ([hidden, screen], [hidden]))
        assert visible > 0.15 * whole


def test_same_seed_same_bytes() -> None:
    stage = StageConfig()
    objects = [Standing(form, "cyan", "large", "metal", cell, Pose(0.1, 0.2, 0.3)) for cell, form in enumerate(FORMS)]
    one, same, other = (
        hashlib.sha256(stage.picture(objects, np.random.default_rng(seed)).tobytes()).hexdigest()
        for seed in (1, 1, 2)
    )
    assert one == same != other
