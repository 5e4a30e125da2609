from __future__ import annotations

import itertools

import numpy as np
import pytest

from cirray.datasets.css.scene import (
    CELLS,
    CENTERS,
    COLORS,
    SHAPES,
    SIZES,
    Scene,
    SceneObject,
    describe,
    scene_label,
)
from cirray.datasets.css.split import PERMITTED, SPLITS, keeps_rule, shapes_of
from cirray.errors import DataError

CIRCLE = SceneObject("circle", "red", "large", CENTERS["bottom-right"])
SQUARE = SceneObject("rectangle", "gray", "small", CENTERS["top-left"])


def test_cells_are_named_after_where_they_lie() -> None:
    assert len(CELLS) == 9
    for cell, (row, column) in CENTERS.items():
        vertical, horizontal = cell.split("-")
        assert vertical == ("top", "middle", "bottom")[int(row * 3)]
        assert horizontal == ("left", "center", "right")[int(column * 3)]
        assert SceneObject("circle", "red", "small", (row, column)).cell == cell


@pytest.mark.parametrize(
    ("position", "cell"),
    [
        ((0.0, 0.0), "top-left"),
        ((1.0, 1.0), "bottom-right"),
        ((0.34, 0.32), "middle-left"),
        ((0.9, 0.5), "bottom-center"),
    ],
)
def test_cell_of_any_position(position: tuple[float, float], cell: str) -> None:
    assert SceneObject("circle", "red", "small", position).cell == cell


def test_label_is_canonical() -> None:
    label = "top-left:small-gray-rectangle|bottom-right:large-red-circle"
    assert scene_label(Scene((CIRCLE, SQUARE))) == scene_label(Scene((SQUARE, CIRCLE))) == label
    assert Scene((CIRCLE, SQUARE)) == Scene((SQUARE, CIRCLE))
    assert scene_label(Scene(())) == "empty"


def test_label_does_not_depend_on_the_order_of_objects() -> None:
    objects = [SceneObject("circle", COLORS[i], SIZES[i % 2], CENTERS[CELLS[2 * i]]) for i in range(4)]
    assert len({scene_label(Scene(order)) for order in itertools.permutations(objects)}) == 1


def test_label_tells_all_that_differ() -> None:
    singles = itertools.product(SHAPES, COLORS, SIZES, CENTERS.values())
    labels = [scene_label(Scene((SceneObject(*single),))) for single in singles]
    assert len(set(labels)) == len(labels) == 3 * 8 * 2 * 9


def test_label_ignores_the_place_within_a_cell() -> None:
    moved = SceneObject("rectangle", "gray", "small", (0.2, 0.1))
    assert scene_label(Scene((moved,))) == scene_label(Scene((SQUARE,)))


def test_describe_names_every_object() -> None:
    text = describe(Scene((CIRCLE, SQUARE)))
    assert text == "a small gray rectangle at top-left, a large red circle at bottom-right"
    assert describe(Scene(())) == "no objects"


def test_two_objects_in_a_cell_are_refused() -> None:
    with pytest.raises(DataError, match="top-left"):
        Scene((SQUARE, CIRCLE, SceneObject("triangle", "red", "large", (0.1, 0.1))))


def test_splits_follow_cogent() -> None:
    for shape in ("rectangle", "triangle"):
        train, test = (set(PERMITTED[split][shape]) for split in SPLITS)
        assert train.isdisjoint(test)
        assert train | test == set(COLORS)
    assert set(PERMITTED["train"]["rectangle"]) == {"gray", "blue", "brown", "yellow"}
    assert set(PERMITTED["train"]["triangle"]) == {"red", "green", "purple", "cyan"}
    assert PERMITTED["test"]["rectangle"] == PERMITTED["train"]["triangle"]
    assert PERMITTED["test"]["triangle"] == PERMITTED["train"]["rectangle"]
    assert all(set(PERMITTED[split]["circle"]) == set(COLORS) for split in SPLITS)


def test_shapes_of_is_the_inverse_of_permitted() -> None:
    for split, color, shape in itertools.product(SPLITS, COLORS, SHAPES):
        assert (shape in shapes_of(color, split)) == (color in PERMITTED[split][shape])


def test_one_forbidden_object_breaks_the_rule() -> None:
    rng = np.random.default_rng(0)
    for split in SPLITS:
        kept = [SceneObject("circle", COLORS[rng.integers(8)], "small", CENTERS[cell]) for cell in CELLS[:4]]
        forbidden = next(color for color in COLORS if color not in PERMITTED[split]["triangle"])
        assert keeps_rule(Scene(tuple(kept)), split)
        assert not keeps_rule(Scene((*kept, SceneObject("triangle", forbidden, "small", CENTERS[CELLS[8]]))), split)
