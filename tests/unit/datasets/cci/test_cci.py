from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from cirray.config import override
from cirray.datasets.cci import (
    CciConfig,
    CciObject,
    CciScene,
    Tree,
    describe,
    grow,
    partners,
    scene_label,
    valid_difference,
    valid_pairs,
)
from cirray.datasets.cci.scene import VALUES
from cirray.errors import ConfigError, DataError

CUBE = CciObject("small", "red", "metal", "cube", "top-left")
BALL = CciObject("large", "blue", "rubber", "sphere", "bottom-right")
SCENE = CciScene((CUBE, BALL))
THE_CUBE = "the small red metal cube at top-left"
THE_BALL = "the large blue rubber sphere at bottom-right"


def every_object() -> list[CciObject]:
    return [CciObject(**dict(zip(VALUES, values, strict=True))) for values in product(*VALUES.values())]


def neighbours(scene: CciScene) -> set[frozenset[CciObject]]:
    """All scenes one change away, by trying each: the oracle."""
    found: set[frozenset[CciObject]] = set()
    taken = {o.cell for o in scene.objects}
    whole = frozenset(scene.objects)
    found |= {whole | {o} for o in every_object() if o.cell not in taken}
    for o in scene.objects:
        found.add(whole - {o})
        for name, values in VALUES.items():
            for value in values:
                changed = replace(o, **{name: value})
                if changed != o and (name != "cell" or value not in taken):
                    found.add(whole - {o} | {changed})
    return found


@pytest.fixture(scope="module")
def tree() -> Tree:
    return grow(CciConfig(rounds=3, changes=6))


@pytest.mark.parametrize(
    ("after", "instruction"),
    [
        ((replace(CUBE, color="blue"), BALL), f"change the color of {THE_CUBE} to blue"),
        (
            (replace(CUBE, material="rubber"), BALL),
            f"change the material of {THE_CUBE} to rubber",
        ),
        (
            (CUBE, replace(BALL, size="small")),
            f"change the size of {THE_BALL} to small",
        ),
        (
            (CUBE, replace(BALL, form="cube")),
            f"change the shape of {THE_BALL} to cube",
        ),
        ((replace(CUBE, cell="top-center"), BALL), f"move {THE_CUBE} to top-center"),
        ((CUBE,), f"remove {THE_BALL}"),
        ((*SCENE.objects, replace(CUBE, cell="middle-left")), "add a small red metal cube at middle-left"),
        ((CUBE, BALL), None),
        ((), None),
        ((replace(CUBE, color="blue", size="large"), BALL), None),
        ((replace(CUBE, color="blue"), replace(BALL, color="red")), None),
        ((replace(CUBE, color="blue"),), None),
    ],
)
def test_instructions(after: tuple[CciObject, ...], instruction: str | None) -> None:
    assert valid_difference(SCENE, CciScene(after)) == instruction


def test_valid_difference_is_what_trying_all_changes_gives(tree: Tree) -> None:
    rng = np.random.default_rng(0)
    for index in rng.permutation(len(tree.scenes))[:12].tolist():
        near = neighbours(tree.scenes[index])
        for other in tree.scenes:
            expected = frozenset(other.objects) in near
            assert (valid_difference(tree.scenes[index], other) is not None) == expected


def test_the_table_of_pairs_is_that_of_comparing_each_with_each(tree: Tree) -> None:
    scenes = tree.scenes
    expected = [
        (i, j)
        for i in range(len(scenes))
        for j in range(i + 1, len(scenes))
        if valid_difference(scenes[i], scenes[j]) is not None
    ]
    pairs = valid_pairs(scenes)
    assert [tuple(pair) for pair in pairs.tolist()] == expected
    counted = Counter(index for pair in expected for index in pair)
    assert partners(pairs, len(scenes)).tolist() == [counted[index] for index in range(len(scenes))]


def test_pairs_of_no_scenes_are_none() -> None:
    assert valid_pairs([]).shape == (0, 2)


def test_published_size() -> None:
    config = CciConfig()
    tree = grow(config)
    assert len(tree.scenes) == 1 + 10 + 100 + 1_000 + 10_000
    assert [edge.target for edge in tree.edges] == list(range(1, 11_111))
    assert Counter(edge.source for edge in tree.edges) == dict.fromkeys(range(1_111), 10)
    assert Counter(tree.is_test(edge.target) for edge in tree.edges) == {False: 1_110, True: 10_000}
    for edge in tree.edges[::7]:
        assert valid_difference(tree.scenes[edge.source], tree.scenes[edge.target]) == edge.instruction
    assert all(config.min_objects <= len(scene.objects) <= config.max_objects for scene in tree.scenes)
    verbs = Counter(
        edge.instruction.split(" of ")[0].split()[-1 if edge.instruction[0] == "c" else 0] for edge in tree.edges
    )
    assert set(verbs) == {"color", "material", "move", "add", "remove"}
    assert min(verbs.values()) > 1_000


def test_the_changes_of_a_scene_differ_and_leave_the_rest_as_it_stands(tree: Tree) -> None:
    for source in range(43):
        targets = [tree.scenes[edge.target] for edge in tree.edges if edge.source == source]
        assert len(set(targets)) == len(targets) == 6
        poses = {o: o.pose for o in tree.scenes[source].objects}
        assert all(poses[o] == o.pose for target in targets for o in target.objects if o in poses)


def test_seed_decides() -> None:
    small = CciConfig(rounds=2, changes=4)
    assert grow(small).scenes == grow(small).scenes
    assert grow(small).scenes != grow(CciConfig(rounds=2, changes=4, seed=1)).scenes


def test_labels_and_captions_name_every_attribute() -> None:
    assert scene_label(SCENE) == "top-left:small-red-metal-cube|bottom-right:large-blue-rubber-sphere"
    assert describe(SCENE) == "small red metal cube at top-left, large blue rubber sphere at bottom-right"
    assert scene_label(CciScene(())) == "empty"


def test_impossible_worlds_are_errors() -> None:
    with pytest.raises(DataError, match="at most one object"):
        CciScene((CUBE, replace(BALL, cell="top-left")))
    only_material = override(CciConfig(), [f"{kind}_weight=0" for kind in ("color", "move", "add", "remove")])
    with pytest.raises(ConfigError, match="only 5 give a scene of 5 objects different"):
        grow(only_material)
    with pytest.raises(ValueError, match="in this order"):
        CciConfig(num_objects=2)
