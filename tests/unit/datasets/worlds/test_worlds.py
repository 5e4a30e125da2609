from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from PIL import Image

from cirray.config import Config, override
from cirray.datasets import SOURCE_ITEMS, TRIPLETS, Source, SourceTables, write_world
from cirray.datasets.cci import CciConfig
from cirray.datasets.css import CssConfig, describe, generate
from cirray.datasets.source import readers
from cirray.datasets.worlds import Css2dTo3dConfig, Css3dConfig, world_of, worlds
from cirray.datasets.worlds.css_3d import draw_solid
from cirray.errors import ConfigError, DataError
from cirray.storage import Location

SCENES = 4
FEW = ("num_scenes=4", "train_modifications_per_scene=1", "test_modifications_per_scene=1")
FLAT = override(CssConfig(), FEW)
CONFIGS: dict[str, Config] = {
    "css-2d": FLAT,
    "css-3d": override(Css3dConfig(), FEW),
    "css-2d-to-3d": override(Css2dTo3dConfig(), FEW),
    "cci": CciConfig(rounds=2, changes=3),
}


def written(config: Config, folder: Path) -> tuple[Source, SourceTables]:
    place = Location.parse(str(folder))
    write_world(config, place)
    name = world_of(config).name
    source = Source.open(place)
    return source, readers[name](readers[name].Config(name=name)).read(source)


def test_every_world_has_a_reader_and_a_configuration_of_its_own() -> None:
    assert set(worlds) == set(CONFIGS)
    for name in worlds:
        assert world_of(worlds[name].Config()) is worlds[name]
        assert readers[name].Config(name=name) == readers[name].Config.model_validate({})
    with pytest.raises(ConfigError, match="configuration of no world"):
        world_of(Config())


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_written_is_read_and_every_picture_is_there(name: str, tmp_path: Path) -> None:
    source, tables = written(CONFIGS[name], tmp_path)
    plan = worlds[name].plan(CONFIGS[name])
    assert tables.items.schema == SOURCE_ITEMS
    assert tables.items.equals(plan.tables.items)
    for split, triplets in tables.triplets.items():
        assert triplets.schema == TRIPLETS
        assert triplets.equals(plan.tables.triplets[split])
    paths = tables.items["path"].to_pylist()
    assert sorted(paths) == [path for path in sorted(source.sizes) if path.startswith("images/")]
    ids = tables.items["item_id"].to_pylist()
    assert len(set(ids)) == len(ids)
    for triplets in tables.triplets.values():
        assert set(triplets["reference_id"].to_pylist() + triplets["target_id"].to_pylist()) <= set(ids)
    for picture in plan.pictures[::5]:
        assert source.read(picture.path) == picture.draw()


@pytest.mark.parametrize("name", CONFIGS)
def test_the_same_settings_give_the_same_bytes_and_another_seed_others(name: str) -> None:
    config = CONFIGS[name]
    other = config.model_copy(update={"seed": 1})
    one, same, different = (worlds[name].plan(c).pictures[-1].draw() for c in (config, config, other))
    assert one == same != different


def test_a_source_of_another_world_is_refused(tmp_path: Path) -> None:
    written(CONFIGS["cci"], tmp_path)
    with pytest.raises(DataError, match="does not describe a CSS-3D source but one for reader 'cci'"):
        write_world(CONFIGS["css-3d"], Location.parse(str(tmp_path)))


def test_a_nested_setting_that_differs_is_named(tmp_path: Path) -> None:
    written(CONFIGS["css-3d"], tmp_path)
    stage = Css3dConfig().stage.model_copy(update={"width": 90})
    with pytest.raises(DataError, match=r"other settings: stage\.width=180 \(now 90\)\."):
        write_world(CONFIGS["css-3d"].model_copy(update={"stage": stage}), Location.parse(str(tmp_path)))


def test_css_3d_has_the_scenes_and_texts_of_css_2d(tmp_path: Path) -> None:
    flat, solid = (worlds[name].plan(CONFIGS[name]).tables for name in ("css-2d", "css-3d"))
    assert flat.items.equals(solid.items)
    assert flat.triplets["test"].equals(solid.triplets["test"])


def test_pictures_of_one_scene_differ_by_their_seed_and_have_the_size_asked_for() -> None:
    scene = generate(FLAT, "train").scenes[0]
    stage = Css3dConfig().stage.model_copy(update={"width": 60, "height": 40})
    pictures = [
        np.asarray(Image.open(io.BytesIO(draw_solid(scene, stage, 0.0, (0, 0, index))))).astype(int)
        for index in range(2)
    ]
    assert pictures[0].shape == (40, 60, 3)
    assert 0.5 < np.abs(pictures[0] - pictures[1]).mean() < 40


def test_flat_references_belong_to_no_gallery_and_solid_targets_do() -> None:
    tables = worlds["css-2d-to-3d"].plan(CONFIGS["css-2d-to-3d"]).tables
    items = {row["item_id"]: row for row in tables.items.to_pylist()}
    world = generate(FLAT, "test")
    for row, query in zip(tables.triplets["test"].to_pylist(), world.queries, strict=True):
        reference, target = items[row["reference_id"]], items[row["target_id"]]
        assert reference["splits"] == []
        assert reference["caption"] == describe(world.scenes[query.reference])
        assert target["splits"] == ["test"]
        assert target["label"] == world.labels[query.target]
    assert sum(not row["splits"] for row in items.values()) == 2 * SCENES


def test_cci_galleries() -> None:
    tables = worlds["cci"].plan(CONFIGS["cci"]).tables
    splits = [split for splits in tables.items["splits"].to_pylist() for split in splits]
    assert {name: splits.count(name) for name in set(splits)} == {"train": 4, "test": 13, "test-targets": 9}
    assert {split: table.num_rows for split, table in tables.triplets.items()} == {"train": 3, "test": 9}
    assert pc.all(pc.is_in(tables.triplets["train"]["target_id"], tables.items["item_id"][:4])).as_py()
