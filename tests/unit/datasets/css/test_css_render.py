from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from cirray.datasets.css.render import render
from cirray.datasets.css.scene import CELLS, CENTERS, COLORS, RGB, SHAPES, SIZES, Scene, SceneObject, Shape, Size

WHITE = [255, 255, 255]
POSITIONS = [*CENTERS.values(), (0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.02, 0.5), (0.97, 0.31), (0.5, 0.05)]


def covers(shape: Shape, half: int, down: int, across: int, round_circles: bool) -> bool:
    if shape == "rectangle":
        return -half <= down <= half and -half <= across <= half
    if shape == "triangle":
        return -half <= down <= half and abs(across) <= (down + half) / 2
    if round_circles:
        return math.hypot(down, across) < half + 0.5
    return abs(across) <= half - abs(down)


def naive(item: SceneObject, size: int, round_circles: bool) -> NDArray[np.uint8]:
    half = size / 16 if item.size == "small" else size / 8
    row, column = (min(int(part * size), size - 1) for part in item.position)
    image = np.full((size, size, 3), 255, dtype=np.uint8)
    for y in range(size):
        for x in range(size):
            if covers(item.shape, int(half), y - row, x - column, round_circles):
                image[y, x] = RGB[item.color]
    return image


@pytest.mark.parametrize(("shape", "size"), list(itertools.product(SHAPES, SIZES)))
def test_each_object_pixel_by_pixel(shape: Shape, size: Size) -> None:
    for index, position in enumerate(POSITIONS):
        item = SceneObject(shape, COLORS[index % 8], size, position)
        picture = render(Scene((item,)))
        assert picture.shape == (64, 64, 3)
        assert picture.dtype == np.uint8
        np.testing.assert_array_equal(picture, naive(item, 64, False))


@pytest.mark.parametrize("size", [16, 48, 96])
@pytest.mark.parametrize("round_circles", [False, True])
def test_other_sizes_and_round_circles(size: int, round_circles: bool) -> None:
    for shape, extent in itertools.product(SHAPES, SIZES):
        item = SceneObject(shape, "cyan", extent, (0.06, 0.5))
        np.testing.assert_array_equal(render(Scene((item,)), size, round_circles), naive(item, size, round_circles))


def test_only_circles_change_with_round_circles() -> None:
    for shape in SHAPES:
        scene = Scene((SceneObject(shape, "red", "large", (0.5, 0.5)),))
        assert np.array_equal(render(scene), render(scene, round_circles=True)) == (shape != "circle")


def test_an_empty_scene_is_white() -> None:
    assert (render(Scene(())) == 255).all()


def test_known_extents() -> None:
    picture = render(Scene((SceneObject("rectangle", "red", "large", (0.5, 0.5)),)))
    assert (picture[24:41, 24:41] == RGB["red"]).all()
    assert int((picture != WHITE).any(axis=2).sum()) == 17 * 17
    diamond = render(Scene((SceneObject("circle", "red", "small", (0.5, 0.5)),)))
    assert int((diamond != WHITE).any(axis=2).sum()) == 9 + 2 * (7 + 5 + 3 + 1)
    triangle = render(Scene((SceneObject("triangle", "red", "large", (0.5, 0.5)),)))
    assert int((triangle[24] != WHITE).any(axis=1).sum()) == 1
    assert int((triangle[40] != WHITE).any(axis=1).sum()) == 17


@pytest.mark.parametrize("size", [*range(16, 145, 16)])
def test_the_fullest_scene_does_not_overlap(size: int) -> None:
    objects = [SceneObject("rectangle", "red", "large", CENTERS[cell]) for cell in CELLS]
    alone = sum((render(Scene((item,)), size) != WHITE).any(axis=2).astype(int) for item in objects)
    assert np.max(alone) == 1
    np.testing.assert_array_equal(alone, (render(Scene(tuple(objects)), size) != WHITE).any(axis=2))


def test_a_scene_is_the_sum_of_its_objects() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        items = [
            SceneObject(SHAPES[rng.integers(3)], COLORS[rng.integers(8)], SIZES[rng.integers(2)], CENTERS[cell])
            for cell in rng.permutation(CELLS)[:6].tolist()
        ]
        expected = np.full((64, 64, 3), 255, dtype=np.uint8)
        for item in items:
            expected = np.minimum(expected, naive(item, 64, False))
        np.testing.assert_array_equal(render(Scene(tuple(items))), expected)
