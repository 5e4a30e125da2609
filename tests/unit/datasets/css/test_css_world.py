from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from pydantic import ValidationError

from cirray.config import from_mapping, override
from cirray.datasets.css.config import CssConfig
from cirray.datasets.css.grammar import apply, parse
from cirray.datasets.css.render import render
from cirray.datasets.css.sampling import SceneTable, draw_modification
from cirray.datasets.css.scene import CELLS, COLORS, SHAPES, SIZES, Scene
from cirray.datasets.css.split import PERMITTED, SPLITS, Split
from cirray.datasets.css.world import World, generate
from cirray.errors import ConfigError

SMALL = CssConfig(num_scenes=60, seed=5)


@pytest.fixture(scope="module", params=SPLITS)
def world(request: pytest.FixtureRequest) -> World[CssConfig]:
    return generate(SMALL, request.param)


@pytest.fixture(scope="module", params=SPLITS)
def full(request: pytest.FixtureRequest) -> World[CssConfig]:
    return generate(CssConfig(), request.param)


def test_full_size_has_the_counts_of_the_released_data(full: World[CssConfig]) -> None:
    queries = {"train": 18_012, "test": 18_057}[full.split]
    assert len(full.queries) == queries
    assert len(full.scenes) == len(full.labels) == 1000 + queries
    assert all(query.reference < 1000 for query in full.queries)
    assert [query.target for query in full.queries] == list(range(1000, 1000 + queries))


def test_full_size_is_varied(full: World[CssConfig]) -> None:
    kinds = Counter(query.text.split()[0] for query in full.queries)
    assert all(abs(kinds[kind] / len(full.queries) - 1 / 3) < 0.03 for kind in ("add", "remove", "make"))
    words = {word for query in full.queries for word in query.text.split()}
    assert words == {"add", "remove", "make", "to", "object", *CELLS, *COLORS, *SHAPES, *SIZES}
    assert {parse(query.text).text() for query in full.queries} == {query.text for query in full.queries}
    assert {query.reference for query in full.queries} == set(range(1000))
    assert {len(scene.objects) for scene in full.scenes[:1000]} == {3, 4, 5, 6}
    empty = full.labels.count("empty")
    assert 0 < empty < 100


def test_full_size_keeps_the_rule_of_its_split(full: World[CssConfig]) -> None:
    pairs = {(o.shape, o.color) for scene in full.scenes for o in scene.objects}
    assert pairs == {(shape, color) for shape in SHAPES for color in PERMITTED[full.split][shape]}


def test_small_world_scales_with_its_scenes(world: World[CssConfig]) -> None:
    modifications = {"train": 360, "test": 361}[world.split]
    assert len(world.queries) == 3 * modifications
    assert len(world.scenes) == 60 + 3 * modifications


def test_each_modification_has_three_distinct_references(world: World[CssConfig]) -> None:
    for start in range(0, len(world.queries), 3):
        together = world.queries[start : start + 3]
        assert len({query.text for query in together}) == 1
        assert len({query.reference for query in together}) == 3


def test_no_text_is_asked_twice_of_a_reference(world: World[CssConfig]) -> None:
    asked = [(query.reference, query.text) for query in world.queries]
    assert len(set(asked)) == len(asked)


def test_each_target_follows_from_its_reference(world: World[CssConfig]) -> None:
    rng = np.random.default_rng(0)
    for query in world.queries:
        before, after = world.scenes[query.reference], world.scenes[query.target]
        modification = parse(query.text)
        assert after != before
        if modification.kind == "add":
            (added,) = set(after.objects) - set(before.objects)
            assert modification.fits(added)
            assert set(before.objects) < set(after.objects)
        else:
            assert apply(modification, before, world.split, rng) == after


def test_labels_are_equal_exactly_where_pictures_are(world: World[CssConfig]) -> None:
    pictures = [render(scene).tobytes() for scene in world.scenes]
    assert len(set(world.labels)) == len(set(pictures)) == len(set(zip(world.labels, pictures, strict=True)))
    assert len(set(world.labels)) < len(world.labels)


def test_objects_never_overlap(world: World[CssConfig]) -> None:
    def ink(scene: Scene) -> int:
        return int((render(scene) != 255).any(axis=2).sum())

    for scene in world.scenes[::7]:
        assert ink(scene) == sum(ink(Scene((o,))) for o in scene.objects)


def test_same_seed_same_world() -> None:
    assert generate(SMALL, "train") == generate(SMALL, "train")


def test_seed_and_split_choose_different_streams() -> None:
    other = SMALL.model_copy(update={"seed": 6})
    worlds = [generate(SMALL, "train"), generate(SMALL, "test"), generate(other, "train"), generate(other, "test")]
    for one, two in combinations(worlds, 2):
        # Placement alone: colors differ between splits whatever the stream.
        places = [[[o.cell for o in scene.objects] for scene in w.scenes[:60]] for w in (one, two)]
        assert places[0] != places[1]


def test_more_modifications_leave_the_scenes_and_the_first_queries_as_they_are() -> None:
    more = generate(SMALL.model_copy(update={"train_modifications_per_scene": 8.0}), "train")
    base = generate(SMALL, "train")
    assert more.scenes[: len(base.scenes)] == base.scenes
    assert more.queries[: len(base.queries)] == base.queries


@pytest.mark.parametrize("split", SPLITS)
def test_candidates_miss_no_scene_that_a_modification_applies_to(split: Split) -> None:
    scenes = generate(SMALL, split).scenes
    table, rng = SceneTable(scenes), np.random.default_rng(3)
    for _ in range(100):
        modification = draw_modification(SMALL, split, rng)
        found = set(table.candidates(modification).tolist())
        applies = {row for row, scene in enumerate(scenes) if apply(modification, scene, split, rng) is not None}
        assert applies <= found
        if modification.kind == "remove":
            assert applies == found


def test_weights_and_probabilities_shape_the_mix() -> None:
    config = SMALL.model_copy(
        update={"add_weight": 0.0, "remove_weight": 0.0, "selector_probability": 1.0, "new_color_probability": 0.0}
    )
    rng = np.random.default_rng(0)
    for _ in range(200):
        m = draw_modification(config, "train", rng)
        assert m.kind == "make"
        assert None not in (m.cell, m.size, m.color, m.shape)
        assert m.new_size not in (None, m.size)


def test_a_modification_always_names_something() -> None:
    config = SMALL.model_copy(update={"selector_probability": 0.0})
    rng = np.random.default_rng(0)
    for _ in range(200):
        m = draw_modification(config, "train", rng)
        assert sum(value is not None for value in (m.cell, m.size, m.color, m.shape)) == 1


def test_an_impossible_world_says_what_to_change() -> None:
    full_grid = CssConfig(num_scenes=5, min_objects=9, max_objects=9, remove_weight=0.0, make_weight=0.0)
    with pytest.raises(ConfigError, match="raise num_scenes"):
        generate(full_grid, "train")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_objects": 7, "max_objects": 4}, "must not exceed"),
        ({"num_scenes": 2}, "references_per_modification"),
        ({"add_weight": 0.0, "remove_weight": 0.0, "make_weight": 0.0}, "above zero"),
        ({"image_size": 60}, "multiple of 16"),
        ({"scenes": 5}, "num_scenes"),
    ],
)
def test_bad_settings_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_mapping(CssConfig, values)


def test_settings_are_frozen_and_can_be_overridden() -> None:
    assert override(CssConfig(), ["num_scenes=60", "seed=5"]) == SMALL
    with pytest.raises(ValidationError):
        SMALL.seed = 1  # type: ignore[misc]  # what is tested
